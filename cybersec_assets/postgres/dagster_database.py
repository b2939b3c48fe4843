"""Dagster's own database, beside the audit's on the same PostgreSQL server.

A mark in it records for which program everything was prepared; the pods of a cluster wait for the mark before they
start. Only psycopg2 is imported, because every pod reads the mark before anything else.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from cybersec_assets import __version__
from cybersec_assets.errors import AuditError, AuditLostError
from cybersec_assets.postgres.connection import connect
from cybersec_assets.postgres.roles import create_database, create_login
from cybersec_assets.settings import Settings

REMEDY = "Check PG_HOST, PG_PORT, PG_SSLMODE and PG_SSLROOTCERT, the names of role and database, and the password"
CREATE_MARKS = "CREATE TABLE IF NOT EXISTS cybersec_prepared (program text PRIMARY KEY, at timestamptz DEFAULT now())"
MARK = "INSERT INTO cybersec_prepared (program) VALUES (%s) ON CONFLICT DO NOTHING"
HAS_MARKS = "SELECT to_regclass('public.cybersec_prepared') IS NOT NULL"
IS_MARKED = "SELECT EXISTS (SELECT FROM cybersec_prepared WHERE program = %s)"
ENDED_RUNS = """
WITH newest AS (
    SELECT DISTINCT ON (asset_key, partition) run_id FROM event_logs
    WHERE asset_key IS NOT NULL AND dagster_event_type = 'ASSET_MATERIALIZATION'
    ORDER BY asset_key, partition, id DESC
)
SELECT run_id, run_id IN (SELECT run_id FROM newest) FROM runs
WHERE status IN ('SUCCESS', 'FAILURE', 'CANCELED')
AND update_timestamp < timezone('UTC', now()) - make_interval(days => %s)
ORDER BY id
"""
DELETE_EVENTS = """
DELETE FROM event_logs
WHERE run_id = ANY(%s) AND asset_key IS NULL AND coalesce(dagster_event_type, '') !~ '^(ASSET|PIPELINE)_'
"""


@dataclass(frozen=True)
class Login:
    """A role and its password."""

    user: str
    password: str | None


class DagsterDatabase:
    """Dagster's database.

    Args:
        settings: Names the server and the database.
        login: The role that owns the database.
        schema_version: The newest migration of the audit that this program knows; part of the mark.
    """

    def __init__(self, settings: Settings, login: Login, schema_version: str) -> None:
        self.settings = settings
        self.login = login
        self.name = settings.postgres.dagster_database
        self.program = f"cybersec-assets {__version__}, audit {schema_version}, dagster {version('dagster')}"

    def create(self, creator: Login) -> None:
        """Create the role and the database where they are missing.

        Args:
            creator: A role that may create others. It connects only where something is missing.

        Raises:
            AuditError: The server cannot be reached, or does not allow it.
        """
        try:
            self.log_in()
        except AuditError:
            # If the server rejected the role for another reason, the second attempt to log in reports it.
            with self._connect(creator, self.settings.postgres.database) as cursor:
                create_login(cursor, self.login.user, self.login.password or "")
                create_database(cursor, self.name, self.login.user)
            self.log_in()

    def log_in(self) -> None:
        """Log in to the database as its owner.

        Raises:
            AuditLostError: The server cannot be reached, or rejects the role.
        """
        with self._connect(self.login, self.name):
            return

    def check_logins(self, creator: Login, others: Sequence[Login]) -> None:
        """Log in to the server as each role that exists, even where its database is missing.

        Args:
            creator: The role that creates what is missing.
            others: The roles that it creates.

        Raises:
            AuditLostError: The server cannot be reached, or rejects a role.
        """
        with ExitStack() as opened:
            cursor = self._connect_anywhere(creator, opened)
            cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [[each.user for each in others]])
            existing = {name for (name,) in cursor.fetchall()}
            for login in others:
                if login.user in existing:
                    self._connect_anywhere(login, opened)

    def _connect_anywhere(self, login: Login, opened: ExitStack) -> Any:
        """Log in to the first database that accepts the role; every server has the database `postgres`."""
        for database in (self.settings.postgres.database, self.name):
            with suppress(AuditLostError):
                return opened.enter_context(self._connect(login, database))
        return opened.enter_context(self._connect(login, "postgres"))

    def mark(self) -> None:
        """Record that everything is prepared for this program."""
        with self._connect(self.login, self.name) as cursor:
            cursor.execute(CREATE_MARKS)
            cursor.execute(MARK, [self.program])

    def is_marked(self) -> bool:
        """Return whether everything was prepared for this program.

        Raises:
            AuditLostError: The server cannot be reached, or the role or the database does not exist yet.
        """
        with self._connect(self.login, self.name) as cursor:
            cursor.execute(HAS_MARKS)
            if not cursor.fetchone()[0]:
                return False
            cursor.execute(IS_MARKED, [self.program])
            return bool(cursor.fetchone()[0])

    def ended_before(self, days: int) -> dict[str, bool]:
        """Return the runs that ended more than so many days ago, oldest first.

        Returns:
            For each run's ID, whether the newest materialization of any partition belongs to that run.
        """
        with self._connect(self.login, self.name) as cursor:
            cursor.execute(ENDED_RUNS, [days])
            return dict(cursor.fetchall())

    def thin_out(self, run_ids: Sequence[str]) -> int:
        """Delete the runs' events except for those of assets, checks and the runs themselves.

        Returns:
            How many events were deleted.
        """
        with self._connect(self.login, self.name) as cursor:
            cursor.execute(DELETE_EVENTS, [list(run_ids)])
            return int(cursor.rowcount)

    @contextmanager
    def _connect(self, login: Login, database: str) -> Iterator[Any]:
        """Yield a cursor in autocommit mode."""
        role = {"user": login.user, "password": login.password, "dbname": database}
        with connect(remedy=REMEDY, **self.settings.postgres.server | role) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
