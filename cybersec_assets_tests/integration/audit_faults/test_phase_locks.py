"""A phase belongs to its worker while the worker is alive, and another process closes it after the worker died."""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import dagster as dg
import pytest
import sqlalchemy as sa

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.phase_locks import PhaseLocks
from cybersec_assets.audit.journal.reconcile import EARLIER_PROBES, PROBES, reconcile
from cybersec_assets.definitions import audit_from
from cybersec_assets.errors import PhaseTakenError
from cybersec_assets.home.audit_folder import claim_audit_folder
from cybersec_assets.phases import RAW, SILVER
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.integration.audit_faults.test_concurrency import plain_url
from cybersec_assets_tests.support.audit.workers import reconcile_once
from cybersec_assets_tests.support.verify.history import LOCKS, made_object

GRACE = 30.0
HOLDERS = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
    AND (classid::bigint << 32) + objid::bigint = :lock
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def journal(database):
    return Journal(database)


@pytest.fixture
def audit(settings):
    """Yield the audit of a run's worker."""
    with audit_from(settings).session() as resource:
        yield resource


def close_dead(journal, settings, *, over=False, grace=GRACE):
    """Reconcile once and return how many phases were closed, doubtful and alive."""
    closed, doubtful, alive = reconcile(journal, settings.home, grace, lambda _: over)
    return len(closed), len(doubtful), alive


def kinds(journal):
    """Return the kinds of the journal's entries, in order."""
    query = sa.text("SELECT array_agg(kind ORDER BY seq) FROM audit_journal")
    return journal.database.statement(lambda connection: connection.execute(query).scalar())


def holders(journal, lock):
    """Return the server processes that hold a lock."""
    query = sa.text(HOLDERS)
    return journal.database.statement(lambda connection: list(connection.execute(query, {"lock": lock}).scalars()))


def let_time_pass(settings, seconds):
    """Make earlier probes older."""
    file = settings.home / PROBES
    file.write_text(json.dumps({lock: since - seconds for lock, since in json.loads(file.read_text()).items()}))


@pytest.fixture
def dead(journal):
    """Return a phase without a worker."""
    return journal.start("run-1", RAW.asset, DAY, next(LOCKS))


@pytest.fixture
def living(journal):
    """Yield a phase whose worker is alive, and the worker's locks."""
    phase_locks = PhaseLocks(journal.database.url)
    phase = journal.start("run-1", RAW.asset, DAY, phase_locks.take())
    yield phase, phase_locks
    phase_locks.close()


def test_a_live_phase_is_never_closed(journal, settings, living):
    for over in (False, True, True):
        assert close_dead(journal, settings, over=over, grace=0) == (0, 0, 1)
    assert kinds(journal) == ["STARTED"]
    living[1].close()
    assert close_dead(journal, settings, over=True) == (1, 0, 0)


@pytest.mark.usefixtures("dead")
def test_a_free_lock_of_an_ended_run_is_abandoned_at_once(journal, settings, audit):
    assert close_dead(journal, settings, over=True) == (1, 0, 0)
    assert kinds(journal) == ["STARTED", "ABANDONED"]
    (row,) = audit.ask().failures()
    assert (row["estado"], row["uri"], row["error"]) == ("FAILED", "", "its worker ended without a result")
    assert close_dead(journal, settings, over=True) == (0, 0, 0)


@pytest.mark.usefixtures("dead")
def test_a_free_lock_of_an_unknown_run_is_abandoned_after_the_grace(journal, settings):
    for passed in (0, GRACE / 2, GRACE / 4):
        assert close_dead(journal, settings) == (0, 1, 0)
        let_time_pass(settings, passed)
    assert close_dead(journal, settings) == (0, 1, 0)
    let_time_pass(settings, GRACE / 4)
    assert close_dead(journal, settings) == (1, 0, 0)
    assert kinds(journal) == ["STARTED", "ABANDONED"]


def test_the_grace_starts_again_when_a_worker_came_back(journal, settings, dead):
    assert close_dead(journal, settings) == (0, 1, 0)
    with journal.database.engine.connect() as worker:
        worker.execute(sa.select(sa.func.pg_advisory_lock(dead.lock)))
        assert close_dead(journal, settings) == (0, 0, 1)
        worker.execute(sa.select(sa.func.pg_advisory_unlock(dead.lock)))
    let_time_pass(settings, 2 * GRACE)
    assert close_dead(journal, settings) == (0, 1, 0)


@pytest.mark.usefixtures("dead")
def test_probes_are_shared_by_processes(journal, settings):
    arguments = (plain_url(journal.database), str(settings.home), GRACE)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        assert pool.submit(reconcile_once, *arguments).result() == (0, 1, 0)
        let_time_pass(settings, GRACE)
        assert pool.submit(reconcile_once, *arguments).result() == (1, 0, 0)


@pytest.mark.usefixtures("dead")
@pytest.mark.parametrize("content", ["", "[]", "{", '{"1": "x"}', '{"1": null}'])
def test_damaged_probes_are_ignored(journal, settings, content):
    file = claim_audit_folder(settings.home) / PROBES.removeprefix("audit/")
    file.write_text(content)
    assert close_dead(journal, settings) == (0, 1, 0)
    let_time_pass(settings, GRACE)
    assert close_dead(journal, settings) == (1, 0, 0)


@pytest.mark.usefixtures("dead")
def test_probes_of_an_earlier_release_are_read(journal, settings):
    assert close_dead(journal, settings) == (0, 1, 0)
    let_time_pass(settings, GRACE)
    probes = settings.home / PROBES
    probes.rename(settings.home / EARLIER_PROBES)
    assert close_dead(journal, settings) == (1, 0, 0)
    assert probes.exists()


def test_a_lost_lock_is_acquired_again(journal, settings, audit):
    with audit.phase(RAW.asset, DAY) as phase:
        phase.facts["records"] = 1
    for again in range(3):
        (pid,) = holders(journal, phase.lock)
        terminate = sa.select(sa.func.pg_terminate_backend(pid, 5_000))
        assert journal.database.statement(lambda connection, end=terminate: connection.execute(end).scalar())
        assert holders(journal, phase.lock) == []
        if again == 0:
            assert close_dead(journal, settings) == (0, 1, 0)
        with audit.phase(RAW.asset, DAY) as same:
            assert same is phase
            assert len(holders(journal, phase.lock)) == 1
    with audit.phase(RAW.asset, DAY) as phase:
        audit.succeed(phase, made_object("raw-1"))
    assert (kinds(journal), holders(journal, phase.lock)) == (["STARTED", "SUCCESS"], [])


def test_an_abandoned_phase_cannot_succeed(journal, settings, audit):
    with audit.phase(RAW.asset, DAY) as phase:
        phase.facts["records"] = 1
    (pid,) = holders(journal, phase.lock)
    terminate = sa.select(sa.func.pg_terminate_backend(pid, 5_000))
    journal.database.statement(lambda connection: connection.execute(terminate))
    assert close_dead(journal, settings, over=True) == (1, 0, 0)
    with (
        pytest.raises(dg.Failure, match=r"another process ended or owns the phase.*Run the day again"),
        audit.phase(RAW.asset, DAY) as late,
    ):
        audit.succeed(late, made_object("raw-1"))
    assert kinds(journal) == ["STARTED", "ABANDONED"]
    assert [row["estado"] for row in audit.ask().of_run("")] == ["FAILED"]
    with pytest.raises(PhaseTakenError):
        journal.succeed(phase, made_object("raw-1"))


def test_the_database_checks_the_lock_itself(journal, living):
    phase, _ = living
    with pytest.raises(PhaseTakenError, match="is alive"):
        journal.abandon(phase, "assumed dead")
    phase.facts["records"] = 1
    journal.succeed(phase, made_object("raw-1"))
    assert kinds(journal) == ["STARTED", "SUCCESS"]


def run_of(instance, run_id, status):
    """Add a run to a Dagster instance."""
    instance.add_run(dg.DagsterRun(job_name="daily_training", run_id=run_id, status=status))


@pytest.mark.parametrize(
    ("status", "closed"), [(dg.DagsterRunStatus.FAILURE, True), (dg.DagsterRunStatus.STARTED, False), (None, False)]
)
def test_a_run_closes_dead_phases_before_its_first_phase(journal, settings, dead, status, closed):
    """Phases of ended runs are closed; where the run may be alive, one probe is not enough."""
    with dg.DagsterInstance.ephemeral() as instance:
        if status:
            run_of(instance, dead.run_id, status)
        resource = audit_from(settings)
        context = dg.build_init_resource_context(instance=instance)
        with resource.yield_for_execution(context) as audit, audit.phase(SILVER.asset, DAY) as phase:
            expected = ["STARTED", "ABANDONED", "STARTED"] if closed else ["STARTED", "STARTED"]
            assert kinds(journal) == expected
            phase.facts["records"] = 1
            audit.succeed(phase, made_object("silver-1"))
