"""An audit of an earlier release is upgraded, keeps its rows, and is used."""

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
    """Yield an empty database for an earlier schema."""
    url = server_of(postgres, f"old_{random.randrange(10**12)}")
    admin(url, f"CREATE DATABASE {url.database}")
    yield url
    admin(url, f"DROP DATABASE {url.database} WITH (FORCE)")


@pytest.fixture
def store(tmp_path):
    """Return the store of the old rows' objects."""
    return FolderStore(tmp_path / "store")


def execute(url, statement, **values):
    """Execute a statement and return its rows."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement), values)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []


def rows_of(url, table, columns="t.*"):
    """Return a table's rows in order."""
    return execute(url, f"SELECT {columns} FROM public.{table} t ORDER BY id")


def old_row(store, asset, number):
    """Return a row as the first release wrote it, and store its object."""
    phase = PHASES[asset]
    ok = number < ROWS
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
    """Insert rows one by one, as the first release did."""
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
    """Assert that every old row is unchanged in its old columns."""
    for asset, phase in PHASES.items():
        columns = ", ".join(before[asset][0])
        assert rows_of(url, phase.table.name, columns) == before[asset]


def assert_upgraded(url, before):
    """Assert that every old row is unchanged and has a start and an end in the journal."""
    assert_kept(url, before)
    found = execute(url, "SELECT asset_key, run_id, attempt, array_agg(kind ORDER BY seq) AS kinds FROM audit_journal "
                         "GROUP BY asset_key, run_id, attempt")  # fmt: skip
    ended = {(row["asset_key"], row["run_id"], row["attempt"]): row["kinds"] for row in found}
    assert ended == {
        (asset, row["run_id"], row["attempt"]): ["STARTED", row["estado"]] for asset in PHASES for row in before[asset]
    }


def findings(url, store, *keys):
    """Return the verifier's findings."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    verifier = Verifier(engine, store, PREFIX, [public_text(key) for key in keys])
    return [(str(each.id), each.what) for each in verifier.findings()]


def assert_usable(url, store, home):
    """Assert that new phases are recorded and signed, old objects are found, and the audit is clean."""
    key = signing_key(home, None)
    database = Database(url)
    author = Author(Journal(database), store, key, random.Random(2))
    last = author.journal.tail().seq
    author.write(4)
    assert author.journal.tail().seq == last + 8
    assert author.journal.start("old-1", RAW.asset, DAY, next(LOCKS)).attempt == 3
    assert Audit(database).input_of("old-2", RAW.asset, DAY).artifact.name == "raw-network_events-4"
    database.close()
    assert findings(url, store, key) == []


def test_from_the_first_release(old, store, tmp_path):
    migrate_to(old, "0001")
    fill(old, store)
    before = {asset: rows_of(old, phase.table.name) for asset, phase in PHASES.items()}
    connect(old).close()
    assert_upgraded(old, before)
    assert_usable(old, store, tmp_path)


def test_an_upgraded_audit_is_clean(old, store):
    migrate_to(old, "0001")
    fill(old, store)
    connect(old).close()
    assert findings(old, store) == []


def test_old_objects_are_verified(old, store):
    migrate_to(old, "0001")
    fill(old, store)
    connect(old).close()
    (store.root / f"{PREFIX}-old" / "raw-network_events-2").unlink()
    assert "object-missing" in [kind for kind, _ in findings(old, store)]


def test_old_rows_cannot_be_changed(old, store):
    migrate_to(old, "0001")
    fill(old, store)
    execute(old, "UPDATE ingestion_events SET error = 'x' WHERE id = 1")
    connect(old).close()
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        execute(old, "UPDATE ingestion_events SET error = 'y' WHERE id = 1")


@pytest.mark.parametrize("version", ["0002", "0003"])
def test_from_a_release_with_a_journal(old, store, tmp_path, version):
    """The old journal stays byte for byte."""
    migrate_to(old, version)
    database = Database(old)
    key = signing_key(tmp_path, None)
    Author(Journal(database), store, key, random.Random(1)).write(12)
    database.close()
    journal = "SELECT * FROM audit_journal ORDER BY seq"
    before = {asset: rows_of(old, phase.table.name) for asset, phase in PHASES.items()}
    entries = execute(old, journal)
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
def test_rows_before_and_after_the_column_of_rejected_lines(old, store, row, statement):
    """They are clean until one is changed."""
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
    migrate_to(old, "0001")
    connect(old).close()
    assert execute(old, "SELECT * FROM audit_journal") == []
    assert findings(old, store) == []


def test_a_failed_upgrade_changes_nothing(old, store):
    """It can be repeated."""
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
