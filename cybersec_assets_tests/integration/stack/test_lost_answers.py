"""If the answer to a write is lost, the write is repeated without being stored twice."""

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
    """Return a connection, which can lose answers, to a server with an audit."""
    connect(server.url("audited")).close()
    made = Wire(server.port)
    yield made
    made.close()


@pytest.fixture
def journal(server, wire):
    """Return a journal that writes over that connection."""
    database = Database(server.url("audited").set(port=wire.port), patience=20)
    # Connect before an answer is lost, as a run does.
    database.statement(lambda connection: connection.execute(sa.text("SELECT 1")))
    yield Journal(database)
    database.close()


def assert_written(server, folder, *kinds):
    """Check that the journal has exactly these entries, in order, each with its row."""
    found = server.execute("SELECT array_agg(kind ORDER BY seq) FROM audit_journal", database="audited")
    assert found[0][0] == list(kinds)
    engine = sa.create_engine(server.url("audited"), poolclass=sa.NullPool)
    findings = Verifier(engine, FolderStore(folder), PREFIX, []).findings()
    # The objects do not exist.
    assert [each for each in findings if each.id != Damage.OBJECT_MISSING] == []


def started(journal):
    """Start a phase of the raw layer."""
    phase = journal.start("run-1", RAW.asset, DAY, next(LOCKS))
    phase.facts["records"] = 1
    return phase


def test_the_answer_to_a_start_is_lost(server, wire, journal, tmp_path):
    """There is one start, and the phase has the number that was stored."""
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
    """Whether the answer of the function or of the commit is lost, there is one end, which the writer gets."""
    phase = started(journal)
    wire.lose_answer_to(word)
    entry = ENDS[how](journal, phase)
    assert (wire.lost, entry.seq, entry) == (1, 2, journal.tail())
    assert_written(server, tmp_path, "STARTED", {"succeed": "SUCCESS", "fail": "FAILED"}.get(how, "ABANDONED"))


@pytest.fixture
def at_point():
    """Return a function that calls another one at a point of the write path, once."""
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
    """Nothing is lost or stored twice if a server process ends before, between or after append and commit."""

    def end():
        server.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({BACKENDS}) b", database="audited")

    at_point(point, end)
    phase = started(journal)
    entry = journal.succeed(phase, made_object("raw-1"))
    assert entry == journal.tail()
    assert_written(server, tmp_path, "STARTED", "SUCCESS")
