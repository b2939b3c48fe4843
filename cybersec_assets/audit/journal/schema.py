"""Create the audit's database where it is missing, migrate its schema, and grant the rights to it."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from cybersec_assets.audit.journal.tables import SCHEMA_VERSION
from cybersec_assets.errors import AuditError
from cybersec_assets.postgres.connection import connect as connect_to_server
from cybersec_assets.postgres.database import PATIENCE_SECONDS, Database, make_engine, place_of, translate_errors
from cybersec_assets.postgres.roles import create_database, grant_audit_rights

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x6379_6265
"""The number of the advisory lock under which one process at a time migrates."""
UPGRADE = "Use the release of cybersec-assets that created it, or a newer one"


def connect(url: sa.URL, owner: sa.URL | None = None, patience: float = PATIENCE_SECONDS) -> Database:
    """Return the audit's database with its schema up to date.

    Args:
        url: The database, with the application's role.
        owner: The same with the role that creates database and schema; the application's own role by default.
        patience: How many seconds to retry after a connection was lost.

    Raises:
        AuditError: The server cannot be reached, a statement failed, or the schema is too new for this program.
    """
    database = Database(url, patience)
    if not _is_ready(database.engine):
        with translate_errors(owner or url):
            _make_ready(owner or url, url)
        with translate_errors(url), database.engine.connect() as connection:
            _version(connection)
    return database


def is_made(url: sa.URL, owner: sa.URL | None = None) -> bool:
    """Return whether the database exists and has an audit of any version, without creating anything.

    Args:
        url: See `connect`.
        owner: See `connect`.

    Raises:
        AuditError: The server cannot be reached, or a statement failed.
    """
    if _is_ready(make_engine(url, poolclass=sa.NullPool)):
        return True
    engine = make_engine(owner or url, poolclass=sa.NullPool)
    with translate_errors(owner or url):
        if not _database_exists(engine):
            return False
        with engine.connect() as connection:
            return bool(_version(connection)) or sa.inspect(connection).has_table("training_events", schema="public")


def _is_ready(engine: sa.Engine) -> bool:
    """Return whether database, role, rights and schema are all there."""
    try:
        with engine.connect() as connection:
            return _version(connection) == SCHEMA_VERSION or _serves(connection)
    except SQLAlchemyError:
        return False


def _make_ready(owner: sa.URL, application: sa.URL) -> None:
    engine = make_engine(owner, poolclass=sa.NullPool)
    if not _database_exists(engine):
        parameters = engine.dialect.create_connect_args(owner.set(database="postgres"))[1]
        with connect_to_server(place_of(owner), **parameters) as server:
            server.autocommit = True
            with server.cursor() as cursor:
                create_database(cursor, str(owner.database))
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        # A newer program may have held the lock. Its schema and rights must stay as they are.
        if _serves(connection):
            return
        _migrate(connection)
        if owner.username != application.username:
            grant_audit_rights(connection.connection.cursor(), str(application.username), application.password)


def _database_exists(engine: sa.Engine) -> bool:
    try:
        with engine.connect():
            return True
    except OperationalError as error:
        if f'database "{engine.url.database}" does not exist' in str(error.orig):
            return False
        raise


def _migrate(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise AuditError(f"this program does not know the version of the audit's schema: {error}", UPGRADE) from error


def _serves(connection: sa.Connection) -> bool:
    """Return whether a newer program made the schema and declared it compatible with this one."""
    if _version(connection) <= SCHEMA_VERSION or not sa.inspect(connection).has_table("audit_serves", schema="public"):
        return False
    oldest = connection.execute(sa.text("SELECT oldest FROM public.audit_serves")).scalar_one()
    return str(oldest) <= SCHEMA_VERSION


def _version(connection: sa.Connection) -> str:
    """Return the database's newest migration, or an empty text where it has none."""
    if not sa.inspect(connection).has_table("alembic_version", schema="public"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM public.alembic_version")).scalar() or "")
