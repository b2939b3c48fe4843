"""Alembic's environment: `database` runs it on demand."""
