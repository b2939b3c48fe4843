"""`cybersec stores prune` against a real PostgreSQL: what is deleted, and that no day is lost."""

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRun
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from cybersec_assets.cli.app import app
from cybersec_assets.definitions import build_definitions
from cybersec_assets.errors import AuditLostError, SettingsError
from cybersec_assets.operations.provision import prepare
from cybersec_assets.operations.prune import Pruned, prune
from cybersec_assets.settings import load_settings
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.servers.servers import free_port

KEPT_DAYS = 90
OTHER_DAY = "2026-01-03"
ASSETS = [dg.AssetKey(["raw", "network_events"]), dg.AssetKey(["gold", "evaluation"])]
LOGGED = "SELECT count(*) FROM event_logs WHERE run_id = %s"
ABOUT_STEPS = """
SELECT count(*) FROM event_logs WHERE run_id = %s
AND (dagster_event_type IS NULL OR dagster_event_type LIKE 'STEP%%' OR dagster_event_type LIKE 'HANDLED%%')
"""
STOP = """
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stopped'; END $$;
CREATE TRIGGER stop BEFORE DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION stop()
"""
ABOUT_CHECKS = "SELECT count(*) FROM event_logs WHERE run_id = %s AND dagster_event_type = 'ASSET_CHECK_EVALUATION'"


@pytest.fixture
def prepared(cluster):
    """Prepare both databases with their schemas."""
    prepare(load_settings(), 30, lambda _: None)
    return cluster


@pytest.fixture
def instance(prepared):
    """Return Dagster's instance on the prepared database."""
    assert load_settings().postgres.dagster_database in prepared.databases()
    with dg.DagsterInstance.get() as instance:
        yield instance


def run(instance, day, *selected):
    """Run a day, or some of its assets, and return the run's id."""
    job = build_definitions(load_settings()).resolve_job_def("daily_training")
    done = job.execute_in_process(
        partition_key=day, instance=instance, raise_on_error=False, asset_selection=list(selected) or None
    )
    return done.run_id


def failed(instance, day, monkeypatch):
    """Run a day without logs, and return the run's id."""
    with monkeypatch.context() as patch:
        patch.setenv("FLOWS_URI", "/nowhere/{date}.log")
        return run(instance, day)


def ended(bench, run_id, days):
    """Set the end of a run to some days ago."""
    with bench.superuser(load_settings().postgres.dagster_database) as cursor:
        cursor.execute(
            "UPDATE runs SET update_timestamp = update_timestamp - make_interval(days => %s) WHERE run_id = %s",
            [days, run_id],
        )


def count(bench, question, run_id):
    """Return the result of a count in Dagster's database."""
    with bench.superuser(load_settings().postgres.dagster_database) as cursor:
        cursor.execute(question, [run_id])
        return cursor.fetchone()[0]


def audit(bench):
    """Return all entries of the audit's journal."""
    with bench.superuser(bench.database) as cursor:
        cursor.execute("SELECT * FROM audit_journal ORDER BY seq")
        return cursor.fetchall()


def made(instance):
    """Return what Dagster knows of each asset: its days and the metadata of its last materialization."""
    return {
        key: (
            instance.get_materialized_partitions(key),
            instance.get_latest_materialization_event(key).asset_materialization.metadata,
        )
        for key in ASSETS
    }


def test_superseded_runs_are_deleted_and_no_day_is_lost(prepared, instance, monkeypatch):
    """A superseded run and a failed one are deleted. The run that made a day keeps its assets, checks and status."""
    superseded = run(instance, DAY)
    newest = run(instance, DAY)
    failure = failed(instance, OTHER_DAY, monkeypatch)
    for run_id in (superseded, newest, failure):
        ended(prepared, run_id, KEPT_DAYS + 1)
    before = made(instance)
    audited = audit(prepared)
    checks = count(prepared, ABOUT_CHECKS, newest)
    steps = count(prepared, ABOUT_STEPS, newest)
    pruned = prune(load_settings(), KEPT_DAYS)
    assert (pruned.deleted, pruned.kept) == (2, 1)
    assert pruned.events >= steps > 0
    assert instance.get_run_ids() == [newest]
    assert {each: count(prepared, LOGGED, each) for each in (superseded, failure)} == {superseded: 0, failure: 0}
    assert count(prepared, ABOUT_STEPS, newest) == 0
    assert count(prepared, ABOUT_CHECKS, newest) == checks > 0
    assert instance.get_run_by_id(newest).status == dg.DagsterRunStatus.SUCCESS
    assert instance.get_run_stats(newest).end_time
    assert made(instance) == before
    assert audit(prepared) == audited
    assert prune(load_settings(), KEPT_DAYS) == Pruned(0, 1, 0)


@pytest.mark.parametrize("table", ["event_logs", "runs"])
def test_an_interrupted_pruning_is_completed_the_next_time(prepared, instance, monkeypatch, table):
    """Wherever pruning stopped within a run, the next one deletes that run and all its events."""
    failure = failed(instance, OTHER_DAY, monkeypatch)
    ended(prepared, failure, KEPT_DAYS + 1)
    with prepared.superuser(load_settings().postgres.dagster_database) as cursor:
        cursor.execute(STOP.format(table=table))
    with pytest.raises(DBAPIError, match="stopped"):
        prune(load_settings(), KEPT_DAYS)
    with prepared.superuser(load_settings().postgres.dagster_database) as cursor:
        cursor.execute("DROP FUNCTION stop CASCADE")
    assert prune(load_settings(), KEPT_DAYS) == Pruned(1, 0, 0)
    assert instance.get_run_ids() == []
    assert count(prepared, LOGGED, failure) == 0


def test_without_its_newest_run_dagster_loses_a_day(instance):
    """Negative control: if that run were deleted, Dagster would show the day as missing."""
    newest = run(instance, DAY)
    assert instance.get_materialized_partitions(ASSETS[0]) == {DAY}
    instance.delete_run(newest)
    assert instance.get_materialized_partitions(ASSETS[0]) == set()


def test_a_run_with_one_newest_asset_is_kept(prepared, instance):
    """A run of the whole graph is still the newest of its other assets after one asset was made again."""
    whole = run(instance, DAY)
    again = run(instance, DAY, ASSETS[1])
    for run_id in (whole, again):
        ended(prepared, run_id, KEPT_DAYS + 1)
    before = made(instance)
    assert prune(load_settings(), KEPT_DAYS).deleted == 0
    assert set(instance.get_run_ids()) == {whole, again}
    assert made(instance) == before


def test_recent_and_unfinished_runs_are_kept(prepared, instance, monkeypatch):
    """A run that ended recently keeps every event. A run that has not ended is kept, however old it is."""
    young = failed(instance, DAY, monkeypatch)
    ended(prepared, young, KEPT_DAYS - 1)
    logged = count(prepared, LOGGED, young)
    open_runs = set()
    for status in (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING):
        added = instance.add_run(DagsterRun(job_name="daily_training", status=status))
        ended(prepared, added.run_id, 10 * KEPT_DAYS)
        open_runs.add(added.run_id)
    assert prune(load_settings(), KEPT_DAYS) == Pruned(0, 0, 0)
    assert set(instance.get_run_ids()) == {young, *open_runs}
    assert count(prepared, LOGGED, young) == logged


def test_the_command_needs_no_right_in_the_audit(prepared, instance, monkeypatch):
    """It works with the password of Dagster's database alone and prints what it did. The days are required."""
    failure = failed(instance, DAY, monkeypatch)
    ended(prepared, failure, 2)
    for name in ("PG_PASSWORD", "PG_MIGRATION_USER", "PG_MIGRATION_PASSWORD", "AUDIT_SIGNING_KEY", "MINIO_SECRET_KEY"):
        monkeypatch.delenv(name)
    done = CliRunner().invoke(app, ["stores", "prune", "--days", "1"], catch_exceptions=False)
    assert done.exit_code == 0
    assert (
        done.stdout
        == "Deleted 1 runs. Kept 0 runs with the latest materialization of a day, and deleted 0 of their events.\n"
    )
    for wrong in (["stores", "prune"], ["stores", "prune", "--days", "0"]):
        assert CliRunner().invoke(app, wrong).exit_code == 2


@pytest.mark.usefixtures("cluster")
def test_what_is_missing_is_named(monkeypatch):
    """One line reports a missing instance, and another an unreachable server."""
    monkeypatch.setenv("PG_PORT", str(free_port()))
    with pytest.raises(AuditLostError, match="PG_PORT"):
        prune(load_settings(), KEPT_DAYS)
    monkeypatch.delenv("DAGSTER_HOME")
    with pytest.raises(SettingsError, match="DAGSTER_HOME is not set"):
        prune(load_settings(), KEPT_DAYS)
