"""Run migrations on the connection that holds the migration lock; see `schema`."""

from alembic import context

from cybersec_assets.audit.journal.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table_schema="public"
)
context.run_migrations()
