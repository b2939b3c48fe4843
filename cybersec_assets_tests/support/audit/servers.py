"""A PostgreSQL server that a test may stop, start again and copy."""

import os
import pwd
import shutil
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cybersec_assets_tests.support.servers.servers import HOST, UNPRIVILEGED, Postgres, wait_until

OPTIONS = f"-c listen_addresses={HOST} -c port={{}} -c unix_socket_directories=''"


@dataclass
class Server(Postgres):
    """A server that only one test uses."""

    def url(self, database: str) -> sa.URL:
        """Return a database's address for the superuser."""
        return sa.URL.create("postgresql+psycopg2", self.user, self.password, HOST, self.port, database)

    def execute(self, *statements: str, database: str = "postgres") -> list[Any]:
        """Execute statements as the superuser in autocommit mode; return the rows of the last one."""
        engine = sa.create_engine(self.url(database), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            plain = connection.execution_options(no_parameters=True)
            results = [plain.exec_driver_sql(statement) for statement in statements]
            return list(results[-1]) if results[-1].returns_rows else []

    def again(self) -> None:
        """Start the stopped server with its data."""
        self._call("pg_ctl", "start", "-w", "-l", str(self.data / "server.log"), "-o", OPTIONS.format(self.port))

    def copy_to(self, standby: "Server") -> None:
        """Make another server a standby of this one, and start it."""
        standby.data.mkdir()
        if os.geteuid() == 0:
            os.chown(standby.data, pwd.getpwnam(UNPRIVILEGED).pw_uid, -1)
        standby.data.chmod(0o700)
        source = f"host={HOST} port={self.port} user={self.user} password={self.password}"
        standby._call("pg_basebackup", "-d", source, "-R", "-X", "stream", "-c", "fast")  # noqa: SLF001 - it is ours
        standby.again()

    def has_replayed(self, primary: "Server") -> None:
        """Wait until this standby has all that its primary has written."""
        wanted = primary.execute("SELECT pg_current_wal_lsn()")[0][0]
        wait_until(lambda: self.execute(f"SELECT pg_last_wal_replay_lsn() >= '{wanted}'")[0][0], "the standby")

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
