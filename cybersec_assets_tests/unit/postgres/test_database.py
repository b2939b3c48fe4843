"""Transactions survive a lost connection, and errors name the server and a remedy on one line."""

import pytest
import sqlalchemy as sa

from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.errors import AuditError, AuditLostError, PhaseTakenError
from cybersec_assets.postgres.connection import LOST_STATES
from cybersec_assets.postgres.database import Database, translate_errors

CUT = sa.text("SELECT pg_terminate_backend(pg_backend_pid())")
PID = sa.text("SELECT pg_backend_pid()")
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'it broke' USING ERRCODE = '{}'; END $$"
AWAY = sa.URL.create("postgresql+psycopg2", "ana", "hush-hush", "127.0.0.1", 1, "mlops_db")


def backend(database):
    """Return the server process of a transaction."""
    return database.transaction(lambda connection: connection.execute(PID).scalar_one())


def assert_remedy(error, remedy):
    assert str(error).endswith(f"{remedy}.")
    assert "\n" not in str(error)


def test_an_unreachable_server_is_named_without_its_password():
    with pytest.raises(
        AuditLostError, match=r"cannot use the database ana@127\.0\.0\.1:1/mlops_db: .*Check PG_HOST"
    ) as caught:
        connect(AWAY)
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize("way", [Database.transaction, Database.statement])
def test_work_is_repeated_after_its_connection_was_terminated(database, way):
    seen = []

    def work(connection):
        seen.append(connection.execute(PID).scalar_one())
        if len(seen) == 1:
            connection.execute(CUT)
        return len(seen)

    assert way(database, work) == 2
    assert seen[0] != seen[1]


@pytest.mark.parametrize("state", sorted(LOST_STATES))
def test_work_is_repeated_while_the_server_stops_or_starts(database, state):
    tries = []

    def work(connection):
        tries.append(1)
        if len(tries) == 1:
            connection.execute(sa.text(RAISE.format(state)))

    database.transaction(work)
    assert len(tries) == 2


def test_a_connection_that_died_while_idle_costs_one_retry(database):
    first = backend(database)
    runs = []
    other = Database(database.url)
    other.transaction(lambda connection: connection.execute(sa.text(f"SELECT pg_terminate_backend({first})")))
    other.close()
    assert database.transaction(lambda connection: (runs.append(1), connection.execute(PID).scalar_one())[1]) != first
    assert len(runs) == 2


def test_retries_end_after_the_patience(database):
    impatient = Database(database.url, patience=0.3)
    tries = []

    def work(connection):
        tries.append(1)
        connection.execute(CUT)

    with pytest.raises(AuditLostError, match=r"terminating connection|closed the connection"):
        impatient.transaction(work)
    impatient.close()
    assert len(tries) > 1


def test_a_failed_statement_is_not_repeated(database):
    tries = []

    def work(connection):
        tries.append(1)
        connection.execute(sa.text("SELECT 1 FROM no_such_table"))

    with pytest.raises(AuditError, match=r'cannot use the database .*"no_such_table" does not exist') as caught:
        database.transaction(work)
    assert not isinstance(caught.value, AuditLostError)
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("state", "kind", "remedy"),
    [
        ("25006", AuditError, "this one is read-only"),
        ("53100", AuditError, "Free space on the database server's disk"),
        ("42501", AuditError, "set PG_MIGRATION_USER to the role that owns the audit, and run again"),
        ("CY001", AuditError, "Correct the database server's clock"),
        ("CY003", PhaseTakenError, "Run the day again"),
        ("23505", PhaseTakenError, "Run the day again"),
        ("P0001", AuditError, "and that the server runs"),
    ],
)
def test_the_remedy_depends_on_the_sqlstate(database, state, kind, remedy):
    """Any other SQLSTATE has the remedy for the connection."""
    with pytest.raises(AuditError, match=r"cannot use the database .*: it broke") as caught:
        database.transaction(lambda connection: connection.execute(sa.text(RAISE.format(state))))
    assert type(caught.value) is kind
    assert_remedy(caught.value, remedy)


def test_other_errors_are_not_translated():
    with pytest.raises(ZeroDivisionError), translate_errors(AWAY):
        raise ZeroDivisionError


def test_a_failed_transaction_is_rolled_back(database):
    """The connection was used in autocommit mode before."""
    first = database.statement(lambda connection: connection.execute(PID).scalar_one())
    assert backend(database) == first

    def work(connection):
        connection.execute(sa.text("CREATE TABLE made (id integer)"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.transaction(work)
    assert not sa.inspect(database.engine).has_table("made")
