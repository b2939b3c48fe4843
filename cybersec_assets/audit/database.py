"""A connection to the audit's database, with the database and its tables made where they are missing.

The audit has its own small pool and short transactions; it never shares Dagster's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from cybersec_assets.audit.tables import SCHEMA_VERSION
from cybersec_assets.errors import AuditError, first_line

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x6379_6265
"""The advisory lock under which migrations run, the same for every process."""
CONNECT_SECONDS = 5
UPGRADE = "Use the release of cybersec-assets that made it, or a newer one"


def connect(url: sa.URL) -> sa.Engine:
    """Give an engine for the audit's database, with its schema up to date.

    Args:
        url: Where it is; the database is made where it is missing and the role may.

    Raises:
        AuditError: The server cannot be reached, or refuses.
    """
    engine = sa.create_engine(
        url, pool_size=1, max_overflow=3, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS}
    )
    with refusals(url):
        if not _database_exists(engine):
            _create_database(engine)
        _migrate(engine)
    return engine


@contextmanager
def refusals(url: sa.URL) -> Iterator[None]:
    """Turn what SQLAlchemy raises into an error that names the server and says what to do.

    Raises:
        AuditError: A statement failed.
    """
    try:
        yield
    except SQLAlchemyError as error:
        cause = (error.orig if isinstance(error, DBAPIError) else None) or error
        server = f"{url.username}@{url.host or url.query['host']}{f':{url.port}' if url.port else ''}/{url.database}"
        remedy = "Check PG_HOST, PG_PORT, PG_USER, PG_PASSWORD and PG_DATABASE, and that the server runs"
        raise AuditError(f"the audit database {server} refused: {first_line(cause)}", remedy) from error


def _database_exists(engine: sa.Engine) -> bool:
    try:
        with engine.connect():
            return True
    except OperationalError as error:
        if f'database "{engine.url.database}" does not exist' in str(error.orig):
            return False
        raise


def _create_database(wanted: sa.Engine) -> None:
    engine = sa.create_engine(wanted.url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    name = engine.dialect.identifier_preparer.quote(str(wanted.url.database))
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    except SQLAlchemyError:
        # Another process may have made it meanwhile; where none did, this says why we cannot.
        if not _database_exists(wanted):
            raise


def _migrate(engine: sa.Engine) -> None:
    """Bring the schema up to date; the lock lets one process at a time do it."""
    if _version(engine) == SCHEMA_VERSION:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise AuditError(f"the audit's schema is none that this program knows: {error}", UPGRADE) from error


def _version(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version", schema="public"):
            return None
        return str(connection.execute(sa.text("SELECT version_num FROM public.alembic_version")).scalar())
