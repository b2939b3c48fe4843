"""The audit's database as its readers and writers use it: short transactions that survive a lost connection.

The audit has its own small pool; it never shares Dagster's.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg2
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from cybersec_assets.audit.journal.pooling import place_of, require_session
from cybersec_assets.errors import AuditError, AuditLostError, PhaseTakenError, first_line

Result = TypeVar("Result")
CONNECT_SECONDS = 5
PATIENCE_SECONDS = 60.0
"""For how long a lost connection is sought again before the phase fails."""
LONGEST_PAUSE_SECONDS = 2
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""A peer that went away without a word is noticed within half a minute; seconds, but for the last: milliseconds."""
LIMITS = {"statement_timeout": 30_000, "lock_timeout": 20_000, "idle_in_transaction_session_timeout": 30_000}
"""Milliseconds. The last frees the chain's lock from a writer that was suspended in the middle of its transaction."""
SET_LIMITS = "; ".join(f"SET {name} = {value}" for name, value in LIMITS.items())
GONE = {"57P01", "57P02", "57P03", "25P03"}
"""SQLSTATEs of a server that goes down, is coming up, or has ended an idle transaction."""
CONNECTION = "Check PG_HOST, PG_PORT, PG_USER, PG_PASSWORD and PG_DATABASE, and that the server runs"
TAKEN = {"23505", "CY003"}
"""SQLSTATEs of a second end of a phase, and of an end from outside while its worker lives."""
REMEDIES = {
    "25006": "Name the primary server in PG_HOST: this one only reads",
    "53100": "Free space on the database server's disk",
    "42501": "Grant the role its rights: set PG_MIGRATION_USER to the role that owns the audit, and run again",
    "CY001": "Set the database server's clock right",
    "55P03": "Find out in pg_locks who holds the audit's lock",
    "57014": "Read the database server's log: it was too slow",
}
"""What to do, by SQLSTATE, where it is not the connection that is at fault."""


class Database:
    """Run short transactions.

    Args:
        url: Where the database is.
        patience: For how many seconds a lost connection is sought again.
    """

    def __init__(self, url: sa.URL, patience: float = PATIENCE_SECONDS) -> None:
        """Note the place; nothing is asked of the server yet."""
        self.url = url
        self.patience = patience
        self.engine = make_engine(url, pool_size=1, max_overflow=1)
        self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def transaction(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Do some work in one transaction, and once more where the connection was lost on the way.

        Args:
            work: What to do; as a commit's answer may be what was lost, doing it twice must come to the same.

        Raises:
            AuditLostError: The server could not be reached for longer than one has patience.
            AuditError: A statement was refused.
        """
        return self._persist(self.engine.begin, work)

    def statement(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Do the same with a single statement, which is its own transaction: one way to the server instead of three."""
        return self._persist(self._single.connect, work)

    def _persist(
        self, connect: Callable[[], AbstractContextManager[sa.Connection]], work: Callable[[sa.Connection], Result]
    ) -> Result:
        with translate_errors(self.url):
            for attempt in retrying(self.patience):
                with attempt, connect() as connection:
                    result = work(connection)
        return result

    def close(self) -> None:
        """Leave no connection behind."""
        self.engine.dispose()


def make_engine(url: sa.URL, **options: object) -> sa.Engine:
    """Return an engine whose connections are noticed when they die, and wait for nothing without end.

    Its connections raise AuditError where a pooler lends the server's connection to others between transactions.
    """
    arguments: dict[str, Any] = KEEPALIVES | {"connect_timeout": CONNECT_SECONDS}
    # At any higher level the chain's function would not see what was committed while it waited for its lock.
    engine = sa.create_engine(url, connect_args=arguments, isolation_level="READ COMMITTED", **options)

    def connect_again() -> Any:
        return psycopg2.connect(**dict(engine.dialect.create_connect_args(url)[1]) | arguments)

    def prepare(connection: Any, _record: object) -> None:
        try:
            connection.autocommit = True
            require_session(connection, connect_again, url)
            with connection.cursor() as cursor:
                # Not by the start-up parameter `options`, which poolers refuse or ignore.
                cursor.execute(SET_LIMITS)
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise

    # Before SQLAlchemy's own questions, which begin a transaction that a pooler may refuse.
    sa.event.listen(engine, "connect", prepare, insert=True)
    return engine


def retrying(seconds: float) -> Retrying:
    """Give tenacity's loop for work on a server that may be restarting."""
    return Retrying(
        retry=retry_if_exception(_is_lost),
        wait=wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE_SECONDS),
        stop=stop_after_delay(seconds),
        reraise=True,
    )


@contextmanager
def translate_errors(url: sa.URL) -> Iterator[None]:
    """Turn what SQLAlchemy raises into an error that names the server and says what to do.

    Raises:
        AuditLostError: The server is away.
        PhaseTakenError: The phase has its end already, or its worker lives.
        AuditError: A statement failed.
    """
    try:
        yield
    except SQLAlchemyError as error:
        cause = (error.orig if isinstance(error, DBAPIError) else None) or error
        said = f"the audit database {place_of(url)} refused: {first_line(cause)}"
        if _state(error) in TAKEN:
            raise PhaseTakenError(said) from error
        kind = AuditLostError if _is_lost(error) else AuditError
        raise kind(said, REMEDIES.get(_state(error), CONNECTION)) from error


def _state(error: SQLAlchemyError) -> str:
    return getattr(getattr(error, "orig", None), "pgcode", None) or ""


def _is_lost(error: BaseException) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    # libpq gives no SQLSTATE where no connection came about.
    nameless = isinstance(error, sa.exc.OperationalError) and not _state(error)
    return error.connection_invalidated or nameless or _state(error) in GONE
