"""A phase belongs to its worker as long as the worker lives, and is closed by somebody else once it is dead."""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import dagster as dg
import pytest
import sqlalchemy as sa

from cybersec_assets.audit.heads.keys import claim_audit_folder
from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.phase_locks import PhaseLocks
from cybersec_assets.definitions import audit_from
from cybersec_assets.defs.resources.reconciliation import MEMORY, reconcile
from cybersec_assets.errors import PhaseTakenError
from cybersec_assets.phases import RAW, SILVER
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.integration.audit_faults.test_concurrency import plain_url
from cybersec_assets_tests.support.audit.workers import look_once
from cybersec_assets_tests.support.verify.history import LOCKS, made_object

GRACE = 30.0
HOLDERS = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
    AND (classid::bigint << 32) + objid::bigint = :lock
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def journal(database):
    """What writes."""
    return Journal(database)


@pytest.fixture
def audit(settings):
    """The audit as a run's worker has it."""
    with audit_from(settings).session() as resource:
        yield resource


def close_dead(journal, settings, *, over=False, grace=GRACE):
    """Look once, and give how many phases were closed, doubtful and alive."""
    closed, doubtful, alive = reconcile(journal, settings.cybersec_home, grace, lambda _: over)
    return len(closed), len(doubtful), alive


def kinds(journal):
    """Give the kinds of the journal's entries, in order."""
    query = sa.text("SELECT array_agg(kind ORDER BY seq) FROM audit_journal")
    return journal.database.statement(lambda connection: connection.execute(query).scalar())


def holders(journal, lock):
    """Give the server's processes that hold a lock."""
    query = sa.text(HOLDERS)
    return journal.database.statement(lambda connection: list(connection.execute(query, {"lock": lock}).scalars()))


def let_time_pass(settings, seconds):
    """Have the memory of earlier looks be older."""
    file = settings.cybersec_home / MEMORY
    file.write_text(json.dumps({lock: since - seconds for lock, since in json.loads(file.read_text()).items()}))


@pytest.fixture
def dead(journal):
    """A phase whose lock nobody holds."""
    return journal.start("run-1", RAW.asset, DAY, next(LOCKS))


@pytest.fixture
def living(journal):
    """A phase whose worker holds its lock, and the worker's hold on it."""
    phase_locks = PhaseLocks(journal.database.url)
    phase = journal.start("run-1", RAW.asset, DAY, phase_locks.take())
    yield phase, phase_locks
    phase_locks.close()


def test_a_phase_whose_lock_is_held_stays(journal, settings, living):
    """However often it is looked at, and though its run be called over, a phase with a live worker is let be."""
    for over in (False, True, True):
        assert close_dead(journal, settings, over=over, grace=0) == (0, 0, 1)
    assert kinds(journal) == ["STARTED"]
    living[1].close()
    assert close_dead(journal, settings, over=True) == (1, 0, 0)


@pytest.mark.usefixtures("dead")
def test_a_free_lock_of_a_run_that_is_over(journal, settings, audit):
    """A phase whose lock is free and whose run is over is abandoned at the first look, with a FAILED row."""
    assert close_dead(journal, settings, over=True) == (1, 0, 0)
    assert kinds(journal) == ["STARTED", "ABANDONED"]
    (row,) = audit.ask().failures()
    assert (row["estado"], row["uri"], row["error"]) == ("FAILED", "", "its worker ended without a result")
    assert close_dead(journal, settings, over=True) == (0, 0, 0)


@pytest.mark.usefixtures("dead")
def test_a_free_lock_counts_once_it_has_been_free_for_a_while(journal, settings):
    """Where nobody knows of the run, a lock must be found free twice, with the grace between the looks."""
    for passed in (0, GRACE / 2, GRACE / 4):
        assert close_dead(journal, settings) == (0, 1, 0)
        let_time_pass(settings, passed)
    assert close_dead(journal, settings) == (0, 1, 0)
    let_time_pass(settings, GRACE / 4)
    assert close_dead(journal, settings) == (1, 0, 0)
    assert kinds(journal) == ["STARTED", "ABANDONED"]


def test_a_worker_that_came_back_counts_anew(journal, settings, dead):
    """A lock that was free, then held, then free again is as one that was never looked at."""
    assert close_dead(journal, settings) == (0, 1, 0)
    with journal.database.engine.connect() as worker:
        worker.execute(sa.select(sa.func.pg_advisory_lock(dead.lock)))
        assert close_dead(journal, settings) == (0, 0, 1)
        worker.execute(sa.select(sa.func.pg_advisory_unlock(dead.lock)))
    let_time_pass(settings, 2 * GRACE)
    assert close_dead(journal, settings) == (0, 1, 0)


@pytest.mark.usefixtures("dead")
def test_looks_are_remembered_across_processes(journal, settings):
    """What one process saw counts for the next: two looks of two processes close a dead phase."""
    arguments = (plain_url(journal.database), str(settings.cybersec_home), GRACE)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        assert pool.submit(look_once, *arguments).result() == (0, 1, 0)
        let_time_pass(settings, GRACE)
        assert pool.submit(look_once, *arguments).result() == (1, 0, 0)


@pytest.mark.usefixtures("dead")
@pytest.mark.parametrize("memory", ["", "[]", "{", '{"1": "x"}', '{"1": null}'])
def test_a_spoilt_memory_is_none(journal, settings, memory):
    """A memory that cannot be read makes of every look a first one, and hinders nothing."""
    file = claim_audit_folder(settings.cybersec_home) / MEMORY.removeprefix("audit/")
    file.write_text(memory)
    assert close_dead(journal, settings) == (0, 1, 0)
    let_time_pass(settings, GRACE)
    assert close_dead(journal, settings) == (1, 0, 0)


def test_a_lost_lock_is_taken_again(journal, settings, audit):
    """A worker whose connection was cut takes its lock again before it goes on, and its phase succeeds."""
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


def test_what_was_abandoned_cannot_succeed(journal, settings, audit):
    """A worker that comes back too late fails loudly: its phase has one end, which is not a success."""
    with audit.phase(RAW.asset, DAY) as phase:
        phase.facts["records"] = 1
    (pid,) = holders(journal, phase.lock)
    terminate = sa.select(sa.func.pg_terminate_backend(pid, 5_000))
    journal.database.statement(lambda connection: connection.execute(terminate))
    assert close_dead(journal, settings, over=True) == (1, 0, 0)
    with pytest.raises(dg.Failure, match=r"in other hands.*Run the day again"), audit.phase(RAW.asset, DAY) as late:
        audit.succeed(late, made_object("raw-1"))
    assert kinds(journal) == ["STARTED", "ABANDONED"]
    assert [row["estado"] for row in audit.ask().of_run("")] == ["FAILED"]
    with pytest.raises(PhaseTakenError):
        journal.succeed(phase, made_object("raw-1"))


def test_the_database_looks_at_the_lock_itself(journal, living):
    """Whoever takes a live worker for dead is refused by the database, and the worker ends its phase."""
    phase, _ = living
    with pytest.raises(PhaseTakenError, match="is alive"):
        journal.abandon(phase, "taken for dead")
    phase.facts["records"] = 1
    journal.succeed(phase, made_object("raw-1"))
    assert kinds(journal) == ["STARTED", "SUCCESS"]


def run_of(instance, run_id, status):
    """Have Dagster know of a run."""
    instance.add_run(dg.DagsterRun(job_name="daily_training", run_id=run_id, status=status))


@pytest.mark.parametrize(
    ("status", "closed"), [(dg.DagsterRunStatus.FAILURE, True), (dg.DagsterRunStatus.STARTED, False), (None, False)]
)
def test_a_run_closes_what_is_dead_before_its_first_phase(journal, settings, dead, status, closed):
    """A run's first phase closes phases of runs that are over; where the run may be alive, one look is too few."""
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
