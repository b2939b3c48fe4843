"""A transaction survives a lost connection, and what the server refuses is one line that says what to do."""

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
    """Tell which of the server's processes a transaction runs on."""
    return database.transaction(lambda connection: connection.execute(PID).scalar_one())


def assert_says(error, remedy):
    """See that an error is one line that ends with what to do."""
    assert str(error).endswith(f"{remedy}.")
    assert "\n" not in str(error)


def test_a_server_that_is_away_is_named_without_its_password():
    """The error for an unreachable server names it and the variables to check, and hides the password."""
    with pytest.raises(
        AuditLostError, match=r"cannot use the database ana@127\.0\.0\.1:1/mlops_db: .*Check PG_HOST"
    ) as caught:
        connect(AWAY)
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize("way", [Database.transaction, Database.statement])
def test_work_whose_connection_is_cut_is_done_again(database, way):
    """Where the server ends the connection amid the work, the work is done once more on a new one."""
    seen = []

    def work(connection):
        seen.append(connection.execute(PID).scalar_one())
        if len(seen) == 1:
            connection.execute(CUT)
        return len(seen)

    assert way(database, work) == 2
    assert seen[0] != seen[1]


@pytest.mark.parametrize("state", sorted(LOST_STATES))
def test_a_server_that_goes_down_or_comes_up_is_asked_again(database, state):
    """A refusal by a server that is stopping, starting, or has ended an idle transaction is a lost connection."""
    tries = []

    def work(connection):
        tries.append(1)
        if len(tries) == 1:
            connection.execute(sa.text(RAISE.format(state)))

    database.transaction(work)
    assert len(tries) == 2


def test_a_connection_that_died_while_idle_costs_one_more_try(database):
    """A transaction whose pooled connection the server has ended is begun again, on another."""
    first, runs = backend(database), []
    other = Database(database.url)
    other.transaction(lambda connection: connection.execute(sa.text(f"SELECT pg_terminate_backend({first})")))
    other.close()
    assert database.transaction(lambda connection: (runs.append(1), connection.execute(PID).scalar_one())[1]) != first
    assert len(runs) == 2


def test_patience_ends(database):
    """A connection that is cut again and again is sought no longer than there is patience."""
    impatient, tries = Database(database.url, patience=0.3), []

    def work(connection):
        tries.append(1)
        connection.execute(CUT)

    with pytest.raises(AuditLostError, match=r"terminating connection|closed the connection"):
        impatient.transaction(work)
    impatient.close()
    assert len(tries) > 1


def test_a_statement_that_is_refused_is_not_tried_again(database):
    """What the server refuses by its own judgement is refused once, and does not count as a lost connection."""
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
        ("25006", AuditError, "this one only reads"),
        ("53100", AuditError, "Free space on the database server's disk"),
        ("42501", AuditError, "set PG_MIGRATION_USER to the role that owns the audit, and run again"),
        ("CY001", AuditError, "Set the database server's clock right"),
        ("CY003", PhaseTakenError, "Run the day again"),
        ("23505", PhaseTakenError, "Run the day again"),
        ("P0001", AuditError, "and that the server runs"),
    ],
)
def test_the_remedy_is_that_of_the_servers_code(database, state, kind, remedy):
    """A refusal says what to do by its SQLSTATE; one that nobody foresaw points at the connection."""
    with pytest.raises(AuditError, match=r"cannot use the database .*: it broke") as caught:
        database.transaction(lambda connection: connection.execute(sa.text(RAISE.format(state))))
    assert type(caught.value) is kind
    assert_says(caught.value, remedy)


def test_what_is_no_refusal_passes_as_it_is():
    """An error that SQLAlchemy did not raise is nobody's business here."""
    with pytest.raises(ZeroDivisionError), translate_errors(AWAY):
        raise ZeroDivisionError


def test_an_unfinished_transaction_leaves_nothing(database):
    """Work that ends in an error is rolled back as a whole, also on a connection that a statement had before."""
    first = database.statement(lambda connection: connection.execute(PID).scalar_one())
    assert backend(database) == first

    def work(connection):
        connection.execute(sa.text("CREATE TABLE made (id integer)"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.transaction(work)
    assert not sa.inspect(database.engine).has_table("made")
