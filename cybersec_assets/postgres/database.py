"""Run short transactions with SQLAlchemy, and retry them when the connection is lost.

The audit has its own small pool; it never shares Dagster's.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg2
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from cybersec_assets.postgres.connection import CONNECT_SECONDS, error_at, is_lost, require_session

Result = TypeVar("Result")
PATIENCE_SECONDS = 60.0
"""How long to retry after a connection was lost, before the phase fails."""
LONGEST_PAUSE_SECONDS = 2
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""Detect a dead peer within half a minute. Seconds, except for the last, which is in milliseconds."""
LIMITS = {"statement_timeout": 30_000, "lock_timeout": 20_000, "idle_in_transaction_session_timeout": 30_000}
"""Milliseconds. The last releases the chain's lock when a writer is suspended in the middle of its transaction."""
SET_LIMITS = "; ".join(f"SET {name} = {value}" for name, value in LIMITS.items())


class Database:
    """Short transactions on one database.

    Args:
        url: The database.
        patience: How many seconds to retry after a connection was lost.
    """

    def __init__(self, url: sa.URL, patience: float = PATIENCE_SECONDS) -> None:
        self.url = url
        self.patience = patience
        self.engine = make_engine(url, pool_size=1, max_overflow=1)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def transaction(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run a function in one transaction, and again whenever the connection is lost.

        Args:
            work: The function. It must be idempotent, because the answer to a commit may be what was lost.

        Raises:
            AuditLostError: The server could not be reached for `patience` seconds.
            AuditError: A statement failed.
        """
        return self._retry(self.engine.begin, work)

    def statement(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run a function that executes one statement. In autocommit mode this takes one round trip instead of three.

        Args:
            work: See `transaction`.

        Raises:
            AuditLostError: The server could not be reached for `patience` seconds.
            AuditError: The statement failed.
        """
        return self._retry(self._autocommit.connect, work)

    def _retry(
        self, connect: Callable[[], AbstractContextManager[sa.Connection]], work: Callable[[sa.Connection], Result]
    ) -> Result:
        with translate_errors(self.url):
            for attempt in retrying(self.patience):
                with attempt, connect() as connection:
                    result = work(connection)
        return result

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def make_engine(url: sa.URL, **options: object) -> sa.Engine:
    """Return an engine whose connections detect a dead peer and have time limits for every statement and lock.

    Its connections raise AuditError where a pooler lends the server's connection to others between transactions.
    """
    arguments: dict[str, Any] = KEEPALIVES | {"connect_timeout": CONNECT_SECONDS}
    # At a higher isolation level, the chain's function would not see what was committed while it waited for its lock.
    engine = sa.create_engine(url, connect_args=arguments, isolation_level="READ COMMITTED", **options)

    def connect_again() -> Any:
        return psycopg2.connect(**dict(engine.dialect.create_connect_args(url)[1]) | arguments)

    def prepare(connection: Any, _record: object) -> None:
        try:
            connection.autocommit = True
            require_session(connection, connect_again, place_of(url))
            with connection.cursor() as cursor:
                # The start-up parameter `options` would be rejected or ignored by poolers.
                cursor.execute(SET_LIMITS)
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise

    # This must run before SQLAlchemy's own first queries, which begin a transaction that a pooler may reject.
    sa.event.listen(engine, "connect", prepare, insert=True)
    return engine


def retrying(seconds: float) -> Retrying:
    """Return tenacity's loop that retries while the connection is lost."""
    return Retrying(
        retry=retry_if_exception(_is_lost),
        wait=wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE_SECONDS),
        stop=stop_after_delay(seconds),
        reraise=True,
    )


@contextmanager
def translate_errors(url: sa.URL) -> Iterator[None]:
    """Turn errors of SQLAlchemy and psycopg2 into the project's errors.

    Raises:
        AuditLostError: The server cannot be reached.
        PhaseTakenError: The phase has ended already, or its worker is alive.
        AuditError: A statement failed.
    """
    try:
        yield
    except (SQLAlchemyError, psycopg2.Error) as error:
        cause = (error.orig if isinstance(error, DBAPIError) else None) or error
        raise error_at(place_of(url), cause, is_lost=_is_lost(error)) from error


def place_of(url: sa.URL) -> str:
    """Return role, server and database, for messages."""
    return f"{url.username}@{url.host or url.query['host']}{f':{url.port}' if url.port else ''}/{url.database}"


def _is_lost(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and (error.connection_invalidated or is_lost(error.orig or error))
