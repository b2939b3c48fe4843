"""What was written stays, whoever asks: the tables take rows and give none up."""

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
    """Give all that a table holds."""
    return connection.execute(sa.text(f"SELECT array_agg(t ORDER BY t) FROM public.{table} t")).scalar()


def change(engine, table, statement, *, role="origin", before=""):
    """Try a change in a transaction of its own, as the superuser; give what the table held before and what it holds."""
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
    """An audit with rows in every table, asked by a superuser; no test commits."""
    made = sa.create_engine(history.url)
    with made.connect() as connection:
        assert connection.execute(sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")).scalar()
    yield made
    made.dispose()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("table", TABLES)
def test_a_change_is_refused(engine, table, statement, role):
    """Every change but a new row is refused to the superuser, in replication as well, and the error names the table."""
    with pytest.raises(DBAPIError, match=f"{table} is refused: the audit is append-only"):
        change(engine, table, statement, role=role)


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("table", TABLES)
def test_without_its_trigger_the_change_goes_through(engine, table, statement):
    """The same statements do their work once the triggers are switched off: it is these that refuse."""
    off = f"ALTER TABLE public.{table} DISABLE TRIGGER ALL"
    kept, left = change(engine, table, statement, before=off)
    assert (kept == left) == (statement == CHANGES["update of nothing new"])


def test_triggers_are_always_on(engine):
    """Both triggers of each table are of the kind that fires in replication, too."""
    query = "SELECT tgrelid::regclass::text, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query))]
    assert found == [(table, "A") for table in sorted(TABLES) for _ in range(2)]
