"""Rows of the audit can be added, and never changed, by any role."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from cybersec_assets.audit.journal.tables import PHASES

TABLES = ("audit_journal", *(phase.table.name for phase in PHASES.values()))
CHANGES = {
    "update": "UPDATE public.{0} SET run_id = run_id || 'x'",
    "update of nothing new": "UPDATE public.{0} SET run_id = run_id",
    "delete": "DELETE FROM public.{0}",
    "delete one": "DELETE FROM public.{0} WHERE ctid = (SELECT min(ctid) FROM public.{0})",
    "truncate": "TRUNCATE public.{0}",
    "truncate and more": "TRUNCATE public.{0} RESTART IDENTITY CASCADE",
    "merge": "MERGE INTO public.{0} t USING public.{0} s ON s.ctid = t.ctid WHEN MATCHED THEN DELETE",
    "upsert": "INSERT INTO public.{0} SELECT * FROM public.{0} LIMIT 1 ON CONFLICT ({1}) DO UPDATE SET run_id = 'x'",
}
ROLES = {"origin": "as ever", "replica": "as a replica does, for which ordinary triggers are silent"}


def rows_of(connection, table):
    """Return all rows of a table."""
    return connection.execute(sa.text(f"SELECT array_agg(t ORDER BY t) FROM public.{table} t")).scalar()


def change(engine, table, statement, *, role="origin", before=""):
    """Try a change as the superuser in its own transaction; return the table before and after it."""
    key = "seq" if table == "audit_journal" else "id"
    with engine.connect() as connection:
        kept = rows_of(connection, table)
        try:
            connection.execute(sa.text(f"SET LOCAL session_replication_role = {role}"))
            connection.execute(sa.text(before or "SELECT 1"))
            connection.execute(sa.text(statement.format(table, key)))
            return kept, rows_of(connection, table)
        finally:
            connection.rollback()


@pytest.fixture(scope="module")
def engine(history):
    """Yield an engine of a superuser for an audit with rows in every table; no test commits."""
    made = sa.create_engine(history.url)
    with made.connect() as connection:
        assert connection.execute(sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")).scalar()
    yield made
    made.dispose()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("table", TABLES)
def test_a_change_is_rejected(engine, table, statement, role):
    """For the superuser, in replication as well; the error names the table."""
    with pytest.raises(DBAPIError, match=f"{table} is refused: the audit is append-only"):
        change(engine, table, statement, role=role)


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("table", TABLES)
def test_without_the_triggers_the_change_succeeds(engine, table, statement):
    off = f"ALTER TABLE public.{table} DISABLE TRIGGER ALL"
    kept, left = change(engine, table, statement, before=off)
    assert (kept == left) == (statement == CHANGES["update of nothing new"])


def test_triggers_fire_in_replication(engine):
    query = "SELECT tgrelid::regclass::text, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query))]
    assert found == [(table, "A") for table in sorted(TABLES) for _ in range(2)]
