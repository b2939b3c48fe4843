"""The audit's database made ready: made where it is missing, brought up to date, its rights divided."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from cybersec_assets.audit.journal.tables import SCHEMA_VERSION
from cybersec_assets.errors import AuditError
from cybersec_assets.postgres.connection import connect as connect_to_server
from cybersec_assets.postgres.database import PATIENCE_SECONDS, Database, make_engine, translate_errors
from cybersec_assets.postgres.roles import create_database, grant_audit_rights

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x6379_6265
"""The advisory lock under which one process at a time migrates."""
UPGRADE = "Use the release of cybersec-assets that made it, or a newer one"


def connect(url: sa.URL, owner: sa.URL | None = None, patience: float = PATIENCE_SECONDS) -> Database:
    """Give the audit's database, with its schema up to date.

    Args:
        url: Where it is, and the application's role.
        owner: The same with the role that makes database and schema; the application's own where not given.
        patience: For how many seconds a connection that is lost later is sought again.

    Raises:
        AuditError: The server cannot be reached, or refuses, or holds a newer schema that does not serve this program.
    """
    database = Database(url, patience)
    if not _is_ready(database.engine):
        with translate_errors(owner or url):
            _make_ready(owner or url, url)
        with translate_errors(url), database.engine.connect() as connection:
            _version(connection)
    return database


def is_made(url: sa.URL, owner: sa.URL | None = None) -> bool:
    """Return whether the database exists and holds an audit, of whichever version; nothing is made.

    Args:
        url: See `connect`.
        owner: See `connect`.

    Raises:
        AuditError: The server cannot be reached, or refuses.
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
    """Tell whether there is nothing to make: database, role and rights may be missing, or the schema's last steps."""
    try:
        with engine.connect() as connection:
            return _version(connection) == SCHEMA_VERSION or _serves(connection)
    except SQLAlchemyError:
        return False


def _make_ready(owner: sa.URL, application: sa.URL) -> None:
    engine = make_engine(owner, poolclass=sa.NullPool)
    if not _database_exists(engine):
        with connect_to_server(**engine.dialect.create_connect_args(owner.set(database="postgres"))[1]) as server:
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
    """Bring the schema up to date."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise AuditError(f"the audit's schema is none that this program knows: {error}", UPGRADE) from error


def _serves(connection: sa.Connection) -> bool:
    """Tell whether a newer program made the schema, and it says that it serves this one as well."""
    if _version(connection) <= SCHEMA_VERSION or not sa.inspect(connection).has_table("audit_serves", schema="public"):
        return False
    oldest = connection.execute(sa.text("SELECT oldest FROM public.audit_serves")).scalar_one()
    return str(oldest) <= SCHEMA_VERSION


def _version(connection: sa.Connection) -> str:
    """Give the newest migration that the database has; nothing where it has none."""
    if not sa.inspect(connection).has_table("alembic_version", schema="public"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM public.alembic_version")).scalar() or "")
