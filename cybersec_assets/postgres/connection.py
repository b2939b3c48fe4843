"""Connect to PostgreSQL by psycopg2, and translate its errors to the project's own.

SQLAlchemy is not imported here: small processes, such as the metrics server, need a connection and nothing else.

The audit needs a session of its own, because advisory locks and timeouts belong to the session. A pooler that lends
the server's connection to another client after each transaction (PgBouncer's `pool_mode = transaction`) would pass
both on to the next client, so `require_session` rejects it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2

from cybersec_assets.errors import AuditError, AuditLostError, PhaseTakenError, first_line

CONNECT_SECONDS = 5
LOST_STATES = {"57P01", "57P02", "57P03", "25P03"}
"""SQLSTATEs of a server that shuts down, starts, or has ended an idle transaction."""
TAKEN_STATES = {"23505", "CY003"}
"""SQLSTATEs of a second end of a phase, and of an attempt to abandon a phase whose worker is alive."""
CONNECTION_REMEDY = "Check PG_HOST, PG_PORT, PG_USER, PG_PASSWORD and PG_DATABASE, and that the server runs"
REMEDIES = {
    "25006": "Set PG_HOST to the primary server; this one is read-only",
    "53100": "Free space on the database server's disk",
    "42501": "Grant the role its rights: set PG_MIGRATION_USER to the role that owns the audit, and run again",
    "CY001": "Correct the database server's clock",
    "55P03": "Find the session that holds the audit's lock in pg_locks",
    "57014": "Read the database server's log: it was too slow",
}
"""Remedies by SQLSTATE; the remedy for any other error is to check the connection."""
BACKEND = "SELECT pg_backend_pid()"
POOLER_ROUNDS = 3


@contextmanager
def connect(place: str | None = None, remedy: str | None = None, **parameters: Any) -> Iterator[Any]:
    """Open a psycopg2 connection and close it at the end of the block.

    Args:
        place: Role, server and database for errors, where another database than that of the parameters is meant.
        remedy: The remedy of every error; by default it depends on the error.
        parameters: libpq's parameters; `connect_timeout` is 5 seconds by default.

    Raises:
        AuditLostError: The connection cannot be opened, or was lost.
        AuditError: A statement failed.
    """
    place = place or "{user}@{host}{port}/{dbname}".format(
        **parameters | {"port": f":{parameters['port']}" if parameters.get("port") else ""}
    )
    try:
        opened = psycopg2.connect(**{"connect_timeout": CONNECT_SECONDS} | parameters)
    except psycopg2.Error as error:
        raise error_at(place, error, is_lost=True, remedy=remedy) from error
    with closing(opened):
        try:
            yield opened
        except psycopg2.Error as error:
            raise error_at(place, error, is_lost=is_lost(error), remedy=remedy) from error


def is_lost(error: BaseException) -> bool:
    """Return whether an error of psycopg2 means that the connection failed, so that a retry may succeed."""
    state = getattr(error, "pgcode", None)
    # libpq returns no SQLSTATE where no connection was established.
    return state in LOST_STATES or (isinstance(error, psycopg2.OperationalError) and not state)


def error_at(place: str, cause: BaseException, *, is_lost: bool, remedy: str | None = None) -> AuditError:
    """Return the project's error for an error of psycopg2 or SQLAlchemy.

    Args:
        place: Role, server and database.
        cause: The error, with its SQLSTATE as `pgcode` where it has one.
        is_lost: Whether the connection failed.
        remedy: The remedy; by default it depends on the error.
    """
    problem = f"cannot use the database {place}: {first_line(cause)}"
    state = getattr(cause, "pgcode", None) or ""
    if state in TAKEN_STATES and remedy is None:
        return PhaseTakenError(problem)
    kind = AuditLostError if is_lost else AuditError
    return kind(problem, remedy or REMEDIES.get(state, CONNECTION_REMEDY))


def require_session(connection: Any, connect_again: Callable[[], Any], place: str) -> None:
    """Require that a connection keeps its server process between transactions.

    Behind a pooler a second client is connected for a moment. If it is served by the first client's process, or takes
    that process away, then the pooler shares processes. Without a pooler this costs one statement.

    Args:
        connection: A psycopg2 connection in autocommit mode.
        connect_again: Opens another connection with the same parameters.
        place: Role, server and database, for the message.

    Raises:
        AuditError: The process is shared.
        psycopg2.Error: The server cannot be reached, or a statement failed.
    """
    own = _backend(connection)
    if own == connection.info.backend_pid:
        # A pooler announces a process number of its own.
        return
    with closing(connect_again()) as other:
        # A statement outside of a transaction first: pool_mode = statement allows nothing else.
        for autocommit in (True, *[False] * POOLER_ROUNDS):
            other.autocommit = autocommit
            # Without autocommit this begins a transaction, which keeps the process until the rollback.
            taken = _backend(other)
            if taken == own or _backend(connection) != own:
                raise pooler_error(place)
            other.rollback()


def _backend(connection: Any) -> int:
    """Return the number of the server process that serves a psycopg2 connection."""
    with connection.cursor() as cursor:
        cursor.execute(BACKEND)
        return int(cursor.fetchone()[0])


def pooler_error(place: str) -> AuditError:
    """Return the error for a pooler that shares the server's connections."""
    return AuditError(
        f"the audit database {place} is behind a pooler in transaction or statement mode (PgBouncer's "
        "pool_mode), where the audit's locks and time-outs do not hold",
        "Name the server directly in PG_HOST and PG_PORT, or set pool_mode = session for this database",
    )
