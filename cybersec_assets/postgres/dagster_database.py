"""Dagster's own database, beside the audit's on the same PostgreSQL server: made, marked, and thinned out.

The mark says for which program everything was prepared; whoever starts first in a cluster waits for it. Only psycopg2
is needed to read it, as each pod does so before anything else.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from cybersec_assets import __version__
from cybersec_assets.audit.journal.tables import SCHEMA_VERSION
from cybersec_assets.errors import AuditError, AuditLostError, first_line
from cybersec_assets.settings import Settings

CONNECT_SECONDS = 5
MARKS = "CREATE TABLE IF NOT EXISTS cybersec_prepared (program text PRIMARY KEY, at timestamptz DEFAULT now())"
MARK = "INSERT INTO cybersec_prepared (program) VALUES (%s) ON CONFLICT DO NOTHING"
MARKED = "SELECT to_regclass('public.cybersec_prepared') IS NOT NULL"
FIND = "SELECT EXISTS (SELECT FROM cybersec_prepared WHERE program = %s)"
ENDED = """
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
THIN_OUT = """
DELETE FROM event_logs
WHERE run_id = ANY(%s) AND asset_key IS NULL AND coalesce(dagster_event_type, '') !~ '^(ASSET|PIPELINE)_'
"""
REMEDY = "Check PG_HOST, PG_PORT, PG_SSLMODE and PG_SSLROOTCERT, the names of role and database, and the password"


@dataclass(frozen=True)
class Login:
    """A role and its password."""

    user: str
    password: str | None


class InstanceDatabase:
    """Dagster's database.

    Args:
        settings: Where the server is, and the database's name.
        login: The role that owns it.
    """

    def __init__(self, settings: Settings, login: Login) -> None:
        """Note the place; nothing is asked of the server yet."""
        self.settings = settings
        self.login = login
        self.name = settings.dagster_pg_database

    def make(self, maker: Login) -> None:
        """Make role and database where they are missing.

        Args:
            maker: A role that may; asked only where something is missing.

        Raises:
            AuditError: The server refuses, or is away.
        """
        try:
            self.log_in()
        except AuditError:
            # Missing, or refused: the other role finds out which.
            with self._connect(maker, self.settings.pg_database) as cursor:
                self._make(cursor)
            self.log_in()

    def log_in(self) -> None:
        """Log in to it as its owner.

        Raises:
            AuditLostError: The server is away, or refuses.
        """
        with self._connect(self.login, self.name):
            return

    def reach(self, maker: Login, others: Sequence[Login]) -> None:
        """Log in to the server as each role that is there, whether or not a database of theirs is.

        Args:
            maker: The role that makes what is missing.
            others: Roles that it makes where they are missing.

        Raises:
            AuditLostError: The server is away, or refuses.
        """
        with ExitStack() as opened:
            cursor = self._anywhere(maker, opened)
            cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [[each.user for each in others]])
            there = {name for (name,) in cursor.fetchall()}
            for login in (each for each in others if each.user in there):
                self._anywhere(login, opened)

    def _anywhere(self, login: Login, opened: ExitStack) -> Any:
        """Log in to the first database that takes the role: the audit's, Dagster's, or the one that each server has."""
        for database in (self.settings.pg_database, self.name):
            with suppress(AuditLostError):
                return opened.enter_context(self._connect(login, database))
        return opened.enter_context(self._connect(login, "postgres"))

    def mark(self) -> None:
        """Say that all is prepared for this program."""
        with self._connect(self.login, self.name) as cursor:
            cursor.execute(MARKS)
            cursor.execute(MARK, [program()])

    def is_marked(self) -> bool:
        """Tell whether all was prepared for this program.

        Raises:
            AuditLostError: The server is away, or does not know the role or the database yet.
        """
        with self._connect(self.login, self.name) as cursor:
            cursor.execute(MARKED)
            if not cursor.fetchone()[0]:
                return False
            cursor.execute(FIND, [program()])
            return bool(cursor.fetchone()[0])

    def ended_before(self, days: int) -> dict[str, bool]:
        """Give the runs that ended so many days ago, the oldest first.

        Returns:
            For each run's id whether the newest materialization of any partition is of that run.
        """
        with self._connect(self.login, self.name) as cursor:
            cursor.execute(ENDED, [days])
            return dict(cursor.fetchall())

    def thin_out(self, run_ids: Sequence[str]) -> int:
        """Delete what runs logged but for events of assets, checks and the runs themselves; give how many events."""
        with self._connect(self.login, self.name) as cursor:
            cursor.execute(THIN_OUT, [list(run_ids)])
            return int(cursor.rowcount)

    def _make(self, cursor: Any) -> None:
        role, database = sql.Identifier(self.login.user), sql.Identifier(self.name)
        cursor.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [self.login.user])
        if not cursor.fetchone()[0]:
            # Sent as its hash: a statement may be written to the server's log.
            secret = encrypt_password(self.login.password or "", self.login.user, cursor.connection, "scram-sha-256")
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(secret)))
        cursor.execute("SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)", [self.name])
        if not cursor.fetchone()[0]:
            # Who gives a database to a role has to be a member of it.
            cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))

    @contextmanager
    def _connect(self, login: Login, database: str) -> Iterator[Any]:
        """Give a cursor whose every statement is its own transaction."""
        place = f"{login.user}@{self.settings.pg_host}:{self.settings.pg_port}/{database}"
        try:
            connection = psycopg2.connect(
                **self.settings.pg_server,
                user=login.user,
                password=login.password,
                dbname=database,
                connect_timeout=CONNECT_SECONDS,
            )
        except psycopg2.Error as error:
            raise AuditLostError(f"the database {place} refused: {first_line(error)}", REMEDY) from error
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise AuditError(f"the database {place} refused: {first_line(error)}", REMEDY) from error
        finally:
            connection.close()


def program() -> str:
    """Name what schemas are prepared for."""
    return f"cybersec-assets {__version__}, audit {SCHEMA_VERSION}, dagster {version('dagster')}"
