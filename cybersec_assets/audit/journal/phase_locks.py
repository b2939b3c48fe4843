"""Advisory locks that say which phases have a worker that lives.

PostgreSQL frees a session's locks when its connection ends, however the process ended. The connection is of its own,
as a pooled one comes and goes, and its silence is noticed from both sides.
"""

import secrets

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from cybersec_assets.postgres.connection import BACKEND, pooler_error
from cybersec_assets.postgres.database import PATIENCE_SECONDS, make_engine, place_of, retrying, translate_errors

LOCK_BITS = 63
SERVER_SIDE = sa.text(
    "SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '3', false), set_config('lock_timeout', '40s', false), "
    "set_config('statement_timeout', '0', false)"
)
"""The server notices a dead worker within half a minute; a worker that comes back waits for that to happen."""
HOLD = sa.text("SELECT pg_advisory_lock(:lock)")
FREE = sa.text("SELECT pg_advisory_unlock(:lock)")


class PhaseLocks:
    """Hold a lock for each live phase.

    Args:
        url: Where the audit's database is.
        patience: For how many seconds a lost connection is sought again.
    """

    def __init__(self, url: sa.URL, patience: float = PATIENCE_SECONDS) -> None:
        """Note the place; nothing is asked of the server yet."""
        self._engine = make_engine(url, poolclass=sa.NullPool).execution_options(isolation_level="AUTOCOMMIT")
        self._patience = patience
        self._connection: sa.Connection | None = None
        self._backend = 0
        self._wanted = set[int]()
        self._held = set[int]()

    def take(self) -> int:
        """Take a lock that nobody else has.

        Raises:
            AuditError: The server is away.
        """
        lock = secrets.randbits(LOCK_BITS)
        self._wanted.add(lock)
        self.renew()
        return lock

    def renew(self) -> None:
        """See that the connection lives; else make a new one, and take every lock again.

        Raises:
            AuditError: The server stays away, or somebody else keeps a lock.
        """
        with translate_errors(self._engine.url):
            for attempt in retrying(self._patience):
                with attempt:
                    self._hold(self._live_connection())

    def free(self, lock: int) -> None:
        """Let a lock go; where the connection is lost, the server has done so."""
        self._wanted.discard(lock)
        try:
            if lock in self._held and self._connection is not None:
                self._connection.execute(FREE, {"lock": lock})
        except DBAPIError:
            self._drop()
        self._held.discard(lock)

    def close(self) -> None:
        """Let all locks go."""
        self._wanted.clear()
        self._drop()

    def _hold(self, connection: sa.Connection) -> None:
        for lock in self._wanted - self._held:
            connection.execute(HOLD, {"lock": lock})
            self._held.add(lock)

    def _live_connection(self) -> sa.Connection:
        try:
            if self._connection is not None:
                self._require_same(self._connection)
        except DBAPIError:
            self._drop()
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.execute(SERVER_SIDE)
            self._backend = _backend(self._connection)
        return self._connection

    def _require_same(self, connection: sa.Connection) -> None:
        """Refuse a connection whose server process was exchanged, and the locks with it: a pooler's doing."""
        if _backend(connection) != self._backend:
            raise pooler_error(place_of(self._engine.url))

    def _drop(self) -> None:
        self._held.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _backend(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text(BACKEND)).scalar_one())
