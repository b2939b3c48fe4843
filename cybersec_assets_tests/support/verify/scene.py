"""A copy of a history that a test can damage, and the findings of a check."""

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cybersec_assets.audit.heads.head import BUCKET, head_name
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.findings import Damage
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.verify.history import PREFIX

TABLES = ("audit_journal", *(phase.table.name for phase in PHASES.values()))
FREE = """
DO $$
DECLARE c record;
BEGIN
    FOR c IN SELECT conrelid::regclass AS owner, conname FROM pg_constraint
        WHERE conrelid = ANY (ARRAY[{tables}]::regclass[]) ORDER BY contype = 'p' DESC
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.owner, c.conname);
    END LOOP;
END $$;
DROP INDEX public.audit_journal_once;
CREATE SCHEMA kept;
"""
Reported = tuple[str, str, int]


def admin(url: sa.URL, statement: str) -> None:
    """Execute a statement as the server's superuser, outside of a transaction."""
    engine = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


@dataclass
class Scene:
    """A copy of a history.

    Attributes:
        engine: Its database, as the superuser.
        home: Its `CYBERSEC_HOME`.
        trusted: The public keys that the check trusts.
        first: The first entry that may be damaged.
    """

    engine: sa.Engine
    home: Path
    trusted: list[str]
    first: int = 1
    _is_open: bool = False
    _kept: dict[Path, bytes] = field(default_factory=dict)

    @property
    def store(self) -> FolderStore:
        """The object store."""
        return FolderStore(self.home / "store")

    def break_open(self) -> None:
        """Remove all protections of the database, and keep a copy of its tables for `restore`."""
        self._is_open = True
        self.sql(FREE.format(tables=", ".join(f"'public.{table}'" for table in TABLES)))
        for table in TABLES:
            self.sql(f"ALTER TABLE public.{table} DISABLE TRIGGER ALL")
            self.sql(f"CREATE TABLE kept.{table} AS SELECT * FROM public.{table}")

    def restore(self) -> None:
        """Undo all damage."""
        for table in TABLES:
            self.sql(f"TRUNCATE public.{table}; INSERT INTO public.{table} SELECT * FROM kept.{table}")
        for file, content in self._kept.items():
            _write(file, content)
        self._kept.clear()

    def forge(self, statement: str) -> None:
        """Change the journal as its owner, with the triggers switched off and on again."""
        always = "ALTER TABLE public.audit_journal ENABLE ALWAYS TRIGGER audit_journal_append_only_"
        off = "ALTER TABLE public.audit_journal DISABLE TRIGGER USER"
        self.sql(f"{off}; {statement}; {always}rows; {always}all")

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Execute a statement, and return its rows."""
        with self.engine.begin() as connection:
            if not values:
                result = connection.execution_options(no_parameters=True).exec_driver_sql(statement)
            else:
                result = connection.execute(sa.text(statement), values)
            return list(result) if result.returns_rows else []

    def check(self, since: Any = None) -> list[Reported]:
        """Return the findings of a check, sorted, without descriptions and without what `break_open` causes."""
        verifier = Verifier(self.engine, self.store, PREFIX, self.trusted)
        found = sorted((str(each.id), each.table, each.row) for each in verifier.findings(since))
        return [each for each in found if not (self._is_open and each[0] == Damage.PROTECTION_OFF)]

    def events(self, statement: str) -> None:
        """Execute a statement for each event table, whose name replaces `{}`."""
        for table in TABLES[1:]:
            self.sql(statement.format(f"public.{table}"))

    def entries(self, *kinds: str) -> list[Any]:
        """Return the journal's entries that may be damaged, of some kinds or all."""
        rows = self.sql("SELECT * FROM public.audit_journal ORDER BY seq")
        return [row for row in rows if row.seq >= self.first and (not kinds or row.kind in kinds)]

    def last(self) -> int:
        """Return the last entry's number."""
        return int(self.sql("SELECT max(seq) FROM public.audit_journal")[0][0])

    def counts(self) -> dict[int, int]:
        """Return how many entries each head covers, by its number."""
        return {int(file.stem): _head(file)["count"] for file in sorted(self.head(1).parent.iterdir())}

    def covered(self) -> int:
        """Return how many entries the last head covers."""
        return max(self.counts().values())

    def head(self, number: int) -> Path:
        """Return a head's file."""
        return self.home / "store" / f"{PREFIX}-{BUCKET}" / head_name(number)

    def object_of(self, entry: Any) -> Path:
        """Return the file of a SUCCESS's object."""
        uri = row_of(entry)[PHASES[entry.asset_key].path]
        return self.home / "store" / uri.removeprefix("s3://")

    def with_rejected_lines(self) -> list[Any]:
        """Return the entries of raw phases with rejected lines."""
        return [entry for entry in self.entries("SUCCESS", "FAILED") if row_of(entry).get("rejected")]

    def quarantine_of(self, entry: Any) -> Path:
        """Return the file with an entry's rejected lines."""
        uri = row_of(entry)["rejected"]["uri"]
        return self.home / "store" / uri.removeprefix("s3://")

    def put(self, file: Path, content: bytes | None) -> None:
        """Replace a file of the store, or delete it if `content` is None."""
        self._kept.setdefault(file, file.read_bytes())
        _write(file, content)


def copy_of(url: sa.URL, home: Path, trusted: list[str]) -> Scene:
    """Copy a database, and return it with a home that was copied before."""
    name = f"scene_{uuid.uuid4().hex}"
    admin(url, f"CREATE DATABASE {name} TEMPLATE {url.database}")
    return Scene(sa.create_engine(url.set(database=name)), home, trusted)


def table_of(entry: Any) -> str:
    """Return the event table of an entry's asset."""
    return PHASES[entry.asset_key].table.name


def row_of(entry: Any) -> dict[str, Any]:
    """Return the event row that an entry's body has."""
    return dict(json.loads(entry.body)["row"])


def apart(entry: Any) -> Reported:
    """Return the finding for a row that differs from its entry."""
    return ("tables-apart", table_of(entry), row_of(entry)["id"])


def _head(file: Path) -> dict[str, Any]:
    return dict(json.loads(json.loads(file.read_bytes())["head"]))


def _write(file: Path, content: bytes | None) -> None:
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
