"""Advisory locks that show which phases have a live worker.

PostgreSQL releases a session's locks when its connection ends, however the process ended. The locks have a connection
of their own, because a pooled one may be closed at any time, and both sides detect when the other one is gone.
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
"""The server detects a dead worker within half a minute; a worker that reconnects waits for that to happen."""
ACQUIRE = sa.text("SELECT pg_advisory_lock(:lock)")
RELEASE = sa.text("SELECT pg_advisory_unlock(:lock)")


class PhaseLocks:
    """Hold a lock for each live phase.

    Args:
        url: The audit's database.
        patience: How many seconds to retry after the connection was lost.
    """

    def __init__(self, url: sa.URL, patience: float = PATIENCE_SECONDS) -> None:
        self._engine = make_engine(url, poolclass=sa.NullPool).execution_options(isolation_level="AUTOCOMMIT")
        self._patience = patience
        self._connection: sa.Connection | None = None
        self._backend = 0
        self._wanted = set[int]()
        self._acquired = set[int]()

    def take(self) -> int:
        """Acquire a lock of a new number and return the number.

        Raises:
            AuditError: The server cannot be reached.
        """
        lock = secrets.randbits(LOCK_BITS)
        self._wanted.add(lock)
        self.renew()
        return lock

    def renew(self) -> None:
        """Check the connection; if it was lost, reconnect and acquire every lock again.

        Raises:
            AuditError: The server cannot be reached, or another session holds a lock.
        """
        with translate_errors(self._engine.url):
            for attempt in retrying(self._patience):
                with attempt:
                    self._acquire_all(self._live_connection())

    def free(self, lock: int) -> None:
        """Release a lock. Where the connection is lost, the server has released it already."""
        self._wanted.discard(lock)
        try:
            if lock in self._acquired and self._connection is not None:
                self._connection.execute(RELEASE, {"lock": lock})
        except DBAPIError:
            self._drop()
        self._acquired.discard(lock)

    def close(self) -> None:
        """Release all locks."""
        self._wanted.clear()
        self._drop()

    def _acquire_all(self, connection: sa.Connection) -> None:
        for lock in self._wanted - self._acquired:
            connection.execute(ACQUIRE, {"lock": lock})
            self._acquired.add(lock)

    def _live_connection(self) -> sa.Connection:
        try:
            if self._connection is not None and _backend(self._connection) != self._backend:
                # A pooler exchanged the server process, and the locks with it.
                raise pooler_error(place_of(self._engine.url))
        except DBAPIError:
            self._drop()
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.execute(SERVER_SIDE)
            self._backend = _backend(self._connection)
        return self._connection

    def _drop(self) -> None:
        self._acquired.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _backend(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text(BACKEND)).scalar_one())
