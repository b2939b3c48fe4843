"""Find poolers that lend a server's connection to another client after each transaction or statement.

The audit needs a session of its own: the advisory locks that show which phases live belong to the session, and so do
the time-outs. Behind PgBouncer with `pool_mode = transaction` both would end up with whoever uses the server's
connection next. With `pool_mode = session` everything holds.
"""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import sqlalchemy as sa

from cybersec_assets.errors import AuditError

ROUNDS = 3
BACKEND = "SELECT pg_backend_pid()"


def require_session(connection: Any, connect: Callable[[], Any], url: sa.URL) -> None:
    """Require that a connection keeps its server process between transactions.

    Behind a pooler a second client is connected for a moment: if it is served by the first one's process, or takes it
    away, the process is shared. A server that is reached directly is asked one question.

    Args:
        connection: A psycopg2 connection in autocommit mode.
        connect: Opens another one to the same place.
        url: The place, for the message.

    Raises:
        AuditError: The process is shared.
        psycopg2.Error: The server is away, or refuses.
    """
    own = backend(connection)
    if own == connection.info.backend_pid:
        # A pooler announces a process number of its own.
        return
    with closing(connect()) as other:
        # A statement by itself first: with pool_mode = statement nothing else is allowed.
        for autocommit in (True, *[False] * ROUNDS):
            other.autocommit = autocommit
            # Without autocommit this begins a transaction, which keeps the process until the rollback.
            taken = backend(other)
            if taken == own or backend(connection) != own:
                raise pooled(url)
            other.rollback()


def backend(connection: Any) -> int:
    """Return the number of the server process that serves a psycopg2 connection."""
    with connection.cursor() as cursor:
        cursor.execute(BACKEND)
        return int(cursor.fetchone()[0])


def pooled(url: sa.URL) -> AuditError:
    """Return the error for a pooler that shares the server's connections."""
    return AuditError(
        f"the audit database {place_of(url)} is behind a pooler in transaction or statement mode (PgBouncer's "
        "pool_mode), where the audit's locks and time-outs do not hold",
        "Name the server directly in PG_HOST and PG_PORT, or set pool_mode = session for this database",
    )


def place_of(url: sa.URL) -> str:
    """Return role, server and database, for messages."""
    return f"{url.username}@{url.host or url.query['host']}{f':{url.port}' if url.port else ''}/{url.database}"
