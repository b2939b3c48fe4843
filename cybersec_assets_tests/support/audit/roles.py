"""A database with separate roles, in each of the supported ways."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from cybersec_assets.audit.journal.journal import Journal, JournalEntry
from cybersec_assets.phases import RAW
from cybersec_assets.postgres.database import Database
from cybersec_assets.postgres.roles import owner_of
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.verify.history import LOCKS, made_object
from cybersec_assets_tests.unit.audit.verify.conftest import server_of

CREATEROLE = "CREATEROLE"
NO_CREATEROLE = "NOCREATEROLE"
SUPERUSER = "SUPERUSER"
OBJECT = made_object("raw-1")
WAYS = (CREATEROLE, NO_CREATEROLE, SUPERUSER)


@dataclass
class Site:
    """A database and its roles.

    Attributes:
        superuser: The address for the server's superuser.
        migration: The address for the role that creates the schema.
        application: The address for the application's role.
    """

    superuser: sa.URL
    migration: sa.URL
    application: sa.URL

    @property
    def owner(self) -> str:
        """Return the tables' owner where the migrations' role may create roles."""
        return owner_of(str(self.superuser.database))

    def execute(self, url: sa.URL, *statements: str) -> sa.engine.Row | None:
        """Execute statements as a role, in autocommit mode; return the first row of the last one."""
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            plain = connection.execution_options(no_parameters=True)
            results = [plain.exec_driver_sql(statement) for statement in statements]
            return results[-1].first() if results[-1].returns_rows else None


@contextmanager
def site(postgres: Path, way: str) -> Iterator[Site]:
    """Yield a database of a migrations' role with some rights; database and roles are dropped afterwards."""
    name = uuid.uuid4().hex[:12]
    base = server_of(postgres, f"site_{name}")
    made = Site(base, base.set(username=f"migration_{name}"), base.set(username=f"application_{name}"))
    server = base.set(database="postgres")
    made.execute(server, f"CREATE ROLE {made.migration.username} LOGIN {way}")
    if way == NO_CREATEROLE:
        made.execute(server, f"CREATE ROLE {made.application.username} LOGIN")
    made.execute(server, f"CREATE DATABASE {base.database} OWNER {made.migration.username}")
    yield made
    made.execute(server, f"DROP DATABASE {base.database} WITH (FORCE)")
    for role in (made.application.username, made.migration.username, made.owner):
        made.execute(server, f"DROP ROLE IF EXISTS {role}")


def write_phase(database: Database, run_id: str = "run-1") -> JournalEntry:
    """Record a phase from its start to its success."""
    journal = Journal(database)
    phase = journal.start(run_id, RAW.asset, DAY, next(LOCKS))
    phase.facts["records"] = 3
    return journal.succeed(phase, OBJECT)
