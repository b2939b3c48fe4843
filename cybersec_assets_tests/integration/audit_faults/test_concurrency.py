"""Concurrent writers make one chain, and two runs of one day are not mixed."""

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.queries import Audit
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.findings import Damage
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.errors import AuditError
from cybersec_assets.phases import MODEL, RAW, SILVER
from cybersec_assets.postgres.database import Database
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.audit.workers import append_many
from cybersec_assets_tests.support.verify.history import LOCKS, PREFIX, made_object

WRITERS = 8
SLOW = """
DO $$
BEGIN
    EXECUTE replace(
        pg_get_functiondef('public.audit_next()'::regprocedure),
        'v_next.at := timezone', '{instead}; v_next.at := timezone');
END $$
"""
"""Wait between reading the next entry and writing it."""
UNLOCKED = """
DO $$
BEGIN
    EXECUTE replace(
        pg_get_functiondef('public.audit_next()'::regprocedure), 'PERFORM pg_advisory_xact_lock', 'PERFORM abs');
END $$
"""


def plain_url(database):
    """Return the database's address as text, for other processes; a folder is not valid as host there."""
    url = database.url
    made = sa.URL.create(url.drivername, url.username, database=url.database, query={"host": str(url.host)})
    return made.render_as_string()


def assert_one_chain(database, folder, entries):
    """Assert that the journal has a number of entries in order, without a gap or a fork."""
    with database.engine.connect() as connection:
        query = sa.text("SELECT count(*), count(DISTINCT seq), count(DISTINCT prev_hash), max(seq) FROM audit_journal")
        assert tuple(connection.execute(query).one()) == (entries,) * 4
    verifier = Verifier(database.engine, FolderStore(folder), PREFIX, [])
    # A function that the test slowed down is reported as a protection that is off, which does not concern the chain.
    found = [finding for finding in verifier.findings() if finding.id != Damage.PROTECTION_OFF]
    assert (found, verifier.counts.entries) == ([], entries)


@pytest.mark.parametrize("appends", [50, pytest.param(500, marks=pytest.mark.crash)])
def test_eight_writers_make_one_chain(database, tmp_path, appends):
    with ProcessPoolExecutor(WRITERS, multiprocessing.get_context("spawn")) as pool:
        url = plain_url(database)
        done = [pool.submit(append_many, url, worker, appends // 2) for worker in range(WRITERS)]
        for each in done:
            each.result()
    assert_one_chain(database, tmp_path, WRITERS * appends)


def start_concurrently(database, writers=4):
    """Start phases concurrently and return the errors."""

    def start(number):
        own = Database(database.url)
        try:
            Journal(own).start(f"run-{number}", RAW.asset, DAY, next(LOCKS))
        except AuditError as error:
            return error
        finally:
            own.close()

    with ThreadPoolExecutor(writers) as pool:
        return [error for error in pool.map(start, range(writers)) if error]


def replace_functions(database, *statements):
    """Replace the database's functions."""
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execution_options(no_parameters=True).exec_driver_sql(statement)


def test_slow_writers_wait_for_each_other(database, tmp_path):
    replace_functions(database, SLOW.format(instead="PERFORM pg_sleep(0.2)"))
    assert start_concurrently(database) == []
    assert_one_chain(database, tmp_path, 4)


def test_without_the_lock_writers_collide(database):
    """A negative control of the lock."""
    replace_functions(database, SLOW.format(instead="PERFORM pg_sleep(0.2)"), UNLOCKED)
    collided = start_concurrently(database)
    assert collided
    assert all("duplicate key" in str(error) for error in collided)


def record_phase(journal, asset, run_id, name, **inputs):
    """Record a phase that read some objects."""
    phase = journal.start(run_id, asset, DAY, next(LOCKS))
    for upstream in inputs.values():
        phase.read(*upstream)
    phase.facts |= {"records": 1, "parameters": {}, "metrics": {}, "model": "", "dataset": ""}
    phase.facts = {fact: phase.facts[fact] for fact in PHASES[asset].facts}
    artifact = made_object(name)
    journal.succeed(phase, artifact)
    return artifact


@pytest.mark.parametrize("seed", range(5))
def test_each_of_two_runs_reads_its_own_objects(database, seed):
    """A later run reads the later objects, of one lineage."""
    audit = Audit(database)
    journal = Journal(database)
    rng = random.Random(seed)
    made = {"a": {}, "b": {}}
    left = {run: [RAW.asset, SILVER.asset, MODEL.asset] for run in "ab"}
    while any(left.values()):
        run = rng.choice([run for run in "ab" if left[run]])
        asset = left[run].pop(0)
        upstream = {SILVER.asset: RAW.asset, MODEL.asset: SILVER.asset}
        inputs = {}
        if asset in upstream:
            record = audit.input_of(run, upstream[asset], DAY)
            assert record.artifact == made[run][upstream[asset]]
            inputs["read"] = (upstream[asset], record.artifact)
        made[run][asset] = record_phase(journal, asset, run, f"{run}-{asset.replace('/', '-')}", **inputs)
        last = run
    later = audit.input_of("later", MODEL.asset, DAY)
    assert later.artifact == made[last][MODEL.asset]
    assert audit.input_of("later", SILVER.asset, DAY, lineage_of=MODEL.asset).artifact == made[last][SILVER.asset]
    assert {row["run_id"] for row in audit.records(DAY)} == {"a", "b"}
    assert len(audit.records(DAY)) == 6
