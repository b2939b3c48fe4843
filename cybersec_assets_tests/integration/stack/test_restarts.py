"""A PostgreSQL that goes away during a phase: the phase waits for a short time, and fails after a long one."""

import threading

import dagster as dg
import pytest

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.reconcile import reconcile
from cybersec_assets.definitions import audit_from
from cybersec_assets.errors import AuditLostError
from cybersec_assets.phases import RAW
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.verify.history import made_object


def kinds(server):
    """Return the kinds of the journal's entries, in order."""
    return server.execute("SELECT array_agg(kind ORDER BY seq) FROM audit_journal", database="audited")[0][0]


@pytest.fixture
def audit(server, use):
    """Return the audit of a worker that waits for a short time only."""
    with audit_from(use(server), patience_seconds=20.0).session() as resource:
        yield resource


def open_phase(audit):
    """Open the phase of the raw layer."""
    with audit.phase(RAW.asset, DAY) as phase:
        phase.facts["records"] = 1


def succeed(audit):
    """Record the success of the phase."""
    with audit.phase(RAW.asset, DAY) as phase:
        audit.succeed(phase, made_object("raw-1"))


@pytest.mark.parametrize("back_at_once", [True, False], ids=["back before it is needed", "back while it is waited for"])
def test_a_restart_in_the_middle_of_a_phase(server, audit, back_at_once):
    """The phase continues and succeeds once, whether or not it had to wait."""
    open_phase(audit)
    server.stop()
    starting = threading.Thread(target=server.again)
    starting.start()
    if back_at_once:
        starting.join()
    succeed(audit)
    starting.join()
    assert kinds(server) == ["STARTED", "SUCCESS"]
    assert [row["attempt"] for row in audit.ask().records()] == [1]


def test_a_restart_before_a_failure(server, audit):
    """A phase that fails on its own after a restart gets its FAILED row."""
    open_phase(audit)
    server.stop()
    server.again()
    with pytest.raises(ValueError, match="it broke"), audit.phase(RAW.asset, DAY):
        raise ValueError("it broke")
    assert kinds(server) == ["STARTED", "FAILED"]


def test_a_server_that_stays_away(server, use):
    """The phase fails, its STARTED entry remains, and the next reconciliation closes it."""
    settings = use(server)
    with audit_from(settings, patience_seconds=0.5).session() as resource:
        open_phase(resource)
        server.stop()
        with pytest.raises(dg.Failure, match=r"cannot use the database.*PG_HOST") as caught:
            succeed(resource)
    assert caught.value.allow_retries is False
    server.again()
    assert kinds(server) == ["STARTED"]
    with audit_from(settings).session() as later:
        closed, _, _ = reconcile(later.journal(), settings.home, 30.0, lambda _: True)
        assert [phase.asset for phase in closed] == [RAW.asset]
        assert [row["estado"] for row in later.ask().of_run("")] == ["FAILED"]
    assert kinds(server) == ["STARTED", "ABANDONED"]


def test_waiting_for_a_server_ends(server, use):
    """After a while the error is that the server was lost, and not that it refused something."""
    with audit_from(use(server), patience_seconds=0.5).session() as resource:
        journal = Journal(resource.connect())
        server.stop()
        with pytest.raises(AuditLostError, match=f"127.0.0.1:{server.port}/audited"):
            journal.tail()
        server.again()
        assert journal.tail() is None
