"""Databases with the schema of an earlier release."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from cybersec_assets.audit.journal.schema import MIGRATIONS
from cybersec_assets.postgres.roles import grant_audit_rights


def migrate_to(url: sa.URL, version: str, application: sa.URL | None = None) -> None:
    """Migrate a database to a version, as an earlier release did.

    Args:
        url: The database, with the role that creates the schema.
        version: The version.
        application: The role that is granted its rights, if it is another one.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        if application and version != "0001":
            grant_audit_rights(connection.connection.cursor(), str(application.username), None)
