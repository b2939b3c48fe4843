"""An audit of an earlier release is taken over as it is, and goes on."""

import json
import random
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.artifact import Fingerprint, fingerprint_of
from cybersec_assets.audit.heads.keys import signing_key
from cybersec_assets.audit.journal.journal import FAILED, Journal
from cybersec_assets.audit.journal.queries import Audit
from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.phases import RAW
from cybersec_assets.postgres.database import Database
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.audit.schemas import migrate_to
from cybersec_assets_tests.support.verify.history import LOCKS, PREFIX, Author, public_text
from cybersec_assets_tests.support.verify.scene import admin
from cybersec_assets_tests.unit.audit.verify.conftest import server_of

ROWS = 5
"""In each table, of which the last is a failure."""


@pytest.fixture
def old(postgres):
    """A database that is empty, and is to get an earlier schema."""
    url = server_of(postgres, f"old_{random.randrange(10**12)}")
    admin(url, f"CREATE DATABASE {url.database}")
    yield url
    admin(url, f"DROP DATABASE {url.database} WITH (FORCE)")


@pytest.fixture
def store(tmp_path):
    """Where the old rows' objects lie."""
    return FolderStore(tmp_path / "store")


def execute(url, statement, **values):
    """Execute a statement, and give its rows."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement), values)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []


def rows_of(url, table, columns="t.*"):
    """Give a table's rows in order."""
    return execute(url, f"SELECT {columns} FROM public.{table} t ORDER BY id")


def old_row(store, asset, number):
    """Make a row as the first release wrote it, and its object."""
    phase, ok = PHASES[asset], number < ROWS
    name = f"{asset.replace('/', '-')}-{number}"
    values = dict(phase.empty) | {phase.path: "", "estado": "FAILED", "error": 'caf\u00e9 "broke"'}
    made = Fingerprint(0, "")
    if ok:
        file = Path(store.root).parent / name
        file.write_bytes(name.encode())
        made = fingerprint_of(file)
        store.create(f"{PREFIX}-old", name, file, made)
        values |= {phase.path: f"s3://{PREFIX}-old/{name}", "estado": "SUCCESS", "error": None}
        values |= {key: 7 for key in ("num_registros",) if key in phase.empty}
        values |= {key: name for key in ("nombre_archivo", "modelo_nombre") if key in phase.empty}
    values |= {"sha256": made.sha256 if ok else None, "size_bytes": made.size if ok else None}
    return values | {"run_id": f"old-{number // 2}", "partition_key": DAY, "attempt": number % 2 + 1}


def fill(url, store):
    """Write rows as the first release did: with an insert of its own for each."""
    for asset, phase in PHASES.items():
        for number in range(1, ROWS + 1):
            values = old_row(store, asset, number) | {"inputs": json.dumps([{"file": "/x", "size": 1}])}
            values = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
            names = ", ".join(values)
            execute(
                url,
                f"INSERT INTO public.{phase.table.name} ({names}, started_at) "
                f"VALUES ({', '.join(':' + name for name in values)}, '2026-01-02T03:04:05.678')",
                **values,
            )


def assert_kept(url, before):
    """See that every old row is as it was; columns that came since are no matter of its."""
    for asset, phase in PHASES.items():
        columns = ", ".join(before[asset][0])
        assert rows_of(url, phase.table.name, columns) == before[asset]


def assert_taken_over(url, before):
    """See that every old row is as it was, and that the journal has a start and an end for each."""
    assert_kept(url, before)
    found = execute(url, "SELECT asset_key, run_id, attempt, array_agg(kind ORDER BY seq) AS kinds FROM audit_journal "
                         "GROUP BY asset_key, run_id, attempt")  # fmt: skip
    ended = {(row["asset_key"], row["run_id"], row["attempt"]): row["kinds"] for row in found}
    assert ended == {
        (asset, row["run_id"], row["attempt"]): ["STARTED", row["estado"]] for asset in PHASES for row in before[asset]
    }


def findings(url, store, *keys):
    """Give what the check says."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    verifier = Verifier(engine, store, PREFIX, [public_text(key) for key in keys])
    return [(str(each.id), each.what) for each in verifier.findings()]


def assert_goes_on(url, store, home):
    """See that phases are written and signed after the old ones, that old objects are found, and that all is clean."""
    key, database = signing_key(home, None), Database(url)
    author = Author(Journal(database), store, key, random.Random(2))
    last = author.journal.tail().seq
    author.write(4)
    assert author.journal.tail().seq == last + 8
    assert author.journal.start("old-1", RAW.asset, DAY, next(LOCKS)).attempt == 3
    assert Audit(database).input_of("old-2", RAW.asset, DAY).artifact.name == "raw-network_events-4"
    database.close()
    assert findings(url, store, key) == []


def test_from_the_first_release(old, store, tmp_path):
    """Rows from before the journal stay as they were and get entries, and the application goes on behind them."""
    migrate_to(old, "0001")
    fill(old, store)
    before = {asset: rows_of(old, phase.table.name) for asset, phase in PHASES.items()}
    connect(old).close()
    assert_taken_over(old, before)
    assert_goes_on(old, store, tmp_path)


def test_an_upgraded_audit_is_clean_at_once(old, store):
    """An audit of old rows whose objects are all there is clean before anything new was written or signed."""
    migrate_to(old, "0001")
    fill(old, store)
    connect(old).close()
    assert findings(old, store) == []


def test_old_objects_are_checked(old, store):
    """Old rows are held against their objects like new ones."""
    migrate_to(old, "0001")
    fill(old, store)
    connect(old).close()
    (store.root / f"{PREFIX}-old" / "raw-network_events-2").unlink()
    assert "object-missing" in [kind for kind, _ in findings(old, store)]


def test_old_rows_are_shut(old, store):
    """Old rows cannot be changed after the upgrade, as they could before."""
    migrate_to(old, "0001")
    fill(old, store)
    execute(old, "UPDATE ingestion_events SET error = 'x' WHERE id = 1")
    connect(old).close()
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        execute(old, "UPDATE ingestion_events SET error = 'y' WHERE id = 1")


@pytest.mark.parametrize("version", ["0002", "0003"])
def test_from_a_release_with_a_journal(old, store, tmp_path, version):
    """A journal of an earlier release stays as it was to the last byte, and the application goes on behind it."""
    migrate_to(old, version)
    database = Database(old)
    key = signing_key(tmp_path, None)
    Author(Journal(database), store, key, random.Random(1)).write(12)
    database.close()
    journal = "SELECT * FROM audit_journal ORDER BY seq"
    before, entries = {asset: rows_of(old, phase.table.name) for asset, phase in PHASES.items()}, execute(old, journal)
    connect(old).close()
    assert_kept(old, before)
    assert execute(old, journal) == entries
    assert findings(old, store, key) == []
    database = Database(old)
    Journal(database).fail(Journal(database).start("run", RAW.asset, DAY, next(LOCKS)), ValueError("it broke"))
    assert len(Audit(database).failures()) > 0
    database.close()
    assert findings(old, store, key) == []


GUARDS = ("ingestion_events_append_only_rows", "ingestion_events_append_only_all")
REJECTED = '{"lines": 1, "share": 0.5, "uri": "s3://tested-raw/x", "sha256": "", "size": 0}'
TAMPERED = {
    "an old row is given some": (1, f"UPDATE ingestion_events SET rejected = '{REJECTED}' WHERE id = 1"),
    "a new row is given some": (3, f"UPDATE ingestion_events SET rejected = '{REJECTED}' WHERE id = 3"),
    "a new row is given others": (2, f"UPDATE ingestion_events SET rejected = '{REJECTED}' WHERE id = 2"),
    "a new row's are taken away": (2, "UPDATE ingestion_events SET rejected = NULL WHERE id = 2"),
}


@pytest.mark.parametrize(("row", "statement"), TAMPERED.values(), ids=TAMPERED)
def test_rejected_lines_of_old_and_new_rows(old, store, row, statement):
    """Rows from before the column, and new ones with and without rejected lines, are clean until one is changed."""
    migrate_to(old, "0003")
    database = Database(old)
    journal = Journal(database)
    journal.fail(journal.start("run", RAW.asset, DAY, next(LOCKS)), ValueError("it broke"))
    connect(old).close()
    author = Author(journal, store, Ed25519PrivateKey.generate(), random.Random(1))
    for number in (4, 0):
        author.end(author.start(number), FAILED, signed=False)
    database.close()
    assert findings(old, store) == []
    on = "".join(f"ALTER TABLE ingestion_events ENABLE ALWAYS TRIGGER {name};" for name in GUARDS)
    execute(old, f"ALTER TABLE ingestion_events DISABLE TRIGGER USER; {statement}; {on}")
    assert findings(old, store) == [("tables-apart", f"the row differs from journal entry {2 * row} in rejected")]


def test_an_empty_old_audit(old, store):
    """An audit in which nothing had happened is upgraded to one in which nothing has happened."""
    migrate_to(old, "0001")
    connect(old).close()
    assert execute(old, "SELECT * FROM audit_journal") == []
    assert findings(old, store) == []


def test_an_upgrade_that_breaks_off_changes_nothing(old, store):
    """An upgrade that fails in the middle leaves the old schema and its rows as they were, and can be made later."""
    migrate_to(old, "0001")
    fill(old, store)
    execute(old, "CREATE VIEW audit_last_run AS SELECT 1 AS somebody_elses")
    before = rows_of(old, "ingestion_events")
    with pytest.raises(Exception, match="audit_last_run"):
        connect(old)
    assert rows_of(old, "ingestion_events") == before
    assert execute(old, "SELECT version_num FROM alembic_version") == [{"version_num": "0001"}]
    execute(old, "DROP VIEW audit_last_run")
    connect(old).close()
    assert len(execute(old, "SELECT * FROM audit_journal")) == 2 * len(PHASES) * ROWS
