"""An answer that was lost on its way is asked for again, and nothing is written twice for it."""

import logging

import pytest
import sqlalchemy as sa

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.audit.verify.findings import Damage
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.failpoints import LOGGER, Point
from cybersec_assets.phases import RAW
from cybersec_assets.postgres.database import Database
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.audit.wire import Wire
from cybersec_assets_tests.support.verify.history import LOCKS, PREFIX, made_object

ENDS = {
    "succeed": lambda journal, phase: journal.succeed(phase, made_object("raw-1")),
    "fail": lambda journal, phase: journal.fail(phase, ValueError("it broke")),
    "abandon": lambda journal, phase: journal.abandon(phase, "its worker is gone"),
}
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = 'audited' AND pid <> pg_backend_pid()"


@pytest.fixture
def wire(server):
    """A wire to a server that has an audit."""
    connect(server.url("audited")).close()
    made = Wire(server.port)
    yield made
    made.close()


@pytest.fixture
def journal(server, wire):
    """What writes over the wire."""
    database = Database(server.url("audited").set(port=wire.port), patience=20)
    # The connection is there before anything is lost, as that of a run is.
    database.statement(lambda connection: connection.execute(sa.text("SELECT 1")))
    yield Journal(database)
    database.close()


def assert_written(server, folder, *kinds):
    """See that the journal has just these entries, in order, each with its row."""
    found = server.execute("SELECT array_agg(kind ORDER BY seq) FROM audit_journal", database="audited")
    assert found[0][0] == list(kinds)
    engine = sa.create_engine(server.url("audited"), poolclass=sa.NullPool)
    findings = Verifier(engine, FolderStore(folder), PREFIX, []).findings()
    # The objects are made up.
    assert [each for each in findings if each.id != Damage.OBJECT_MISSING] == []


def started(journal):
    """Start a phase of the raw layer."""
    phase = journal.start("run-1", RAW.asset, DAY, next(LOCKS))
    phase.facts["records"] = 1
    return phase


def test_the_answer_to_a_start_is_lost(server, wire, journal, tmp_path):
    """A start whose answer got lost is one start: the phase's number is the one that was written."""
    wire.lose_answer_to(b"audit_append")
    phase = started(journal)
    assert (wire.lost, phase.attempt) == (1, 1)
    journal.fail(phase, ValueError("it broke"))
    assert_written(server, tmp_path, "STARTED", "FAILED")


@pytest.mark.parametrize(
    ("how", "word"),
    # Only a SUCCESS has a commit of its own.
    [("succeed", b"audit_append"), ("succeed", b"COMMIT"), ("fail", b"audit_append"), ("abandon", b"audit_append")],
)
def test_the_answer_to_an_end_is_lost(server, wire, journal, tmp_path, how, word):
    """An end whose answer got lost, be it the function's or the commit's, is one end, and the writer is told of it."""
    phase = started(journal)
    wire.lose_answer_to(word)
    entry = ENDS[how](journal, phase)
    assert (wire.lost, entry.seq, entry) == (1, 2, journal.tail())
    assert_written(server, tmp_path, "STARTED", {"succeed": "SUCCESS", "fail": "FAILED"}.get(how, "ABANDONED"))


@pytest.fixture
def at_point():
    """Do something at a point of the write path, once."""
    handlers = []

    def hang(point, act):
        class Handler(logging.Handler):
            def emit(self, record):
                if record.args == (point,) and self in LOGGER.handlers:
                    LOGGER.removeHandler(self)
                    act()

        handlers.append(Handler())
        LOGGER.addHandler(handlers[-1])
        LOGGER.setLevel(logging.DEBUG)

    yield hang
    LOGGER.setLevel(logging.NOTSET)
    for handler in handlers:
        LOGGER.removeHandler(handler)


@pytest.mark.parametrize("point", [Point.STARTED_COMMITTED, Point.SUCCESS_SENT, Point.SUCCESS_COMMITTED])
def test_the_servers_process_is_ended(server, journal, tmp_path, at_point, point):
    """A server process that is ended before, between or after append and commit costs nothing and doubles nothing."""

    def end():
        server.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({BACKENDS}) b", database="audited")

    at_point(point, end)
    phase = started(journal)
    entry = journal.succeed(phase, made_object("raw-1"))
    assert entry == journal.tail()
    assert_written(server, tmp_path, "STARTED", "SUCCESS")
