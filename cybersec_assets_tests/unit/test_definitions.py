"""Assets, job and schedule are those of the contract, and every way in finds them."""

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.remote_representation.external_data import RepositorySnap

from cybersec_assets.definitions import build_definitions
from cybersec_assets.errors import SettingsError
from cybersec_assets_tests.conftest import CHECKOUT

SNAPSHOT = Path(__file__).parent / "snapshots" / "definitions.json"
TWO_O_CLOCK = dt.datetime(2026, 11, 23, 2, 0, tzinfo=dt.UTC)


@pytest.fixture
def definitions(settings):
    """The project with settings of the test's own."""
    return build_definitions(settings)


def describe(definitions):
    """Write down all that others rely on."""
    repository = definitions.get_repository_def()
    graph = definitions.resolve_asset_graph()
    schedule = repository.get_schedule_def("daily_training_schedule")
    return {
        "assets": {
            key.to_user_string(): {
                "group": graph.get(key).group_name,
                "parents": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
                "partitions": str(graph.get(key).partitions_def),
                "checks": sorted(check.name for check in graph.get(key).check_keys),
                "description": graph.get(key).description,
            }
            for key in sorted(graph.get_all_asset_keys())
        },
        "jobs": [
            {
                "name": each.name,
                "tags": dict(each.tags),
                "nodes": sorted(node.name for node in each.nodes),
                "executor": each.executor_def.name,
            }
            for each in repository.get_all_jobs()
            if not each.name.startswith("__")
        ],
        "schedule": {
            "cron": schedule.cron_schedule,
            "timezone": schedule.execution_timezone,
            "job": schedule.job_name,
            "status": schedule.default_status.value,
        },
        "sensors": [sensor.name for sensor in repository.sensor_defs],
        "resources": sorted(repository.get_top_level_resources()),
    }


def test_definitions_are_those_of_the_snapshot(definitions):
    """Whatever changes in an asset, the job or the schedule shows here; CYBERSEC_TEST_UPDATE=1 writes it anew."""
    described = describe(definitions)
    if os.environ.get("CYBERSEC_TEST_UPDATE"):
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(json.dumps(described, indent=2) + "\n")
    assert described == json.loads(SNAPSHOT.read_text())


def test_there_are_no_sensors(definitions):
    """Nothing runs by a sensor, not even a built-in one."""
    assert list(definitions.get_repository_def().sensor_defs) == []


def test_the_tick_asks_for_the_day_before(definitions):
    """At 02:00 UTC the schedule asks for the day before, with the day as run key; a retry starts over."""
    repository = definitions.get_repository_def()
    schedule = repository.get_schedule_def("daily_training_schedule")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=TWO_O_CLOCK, repository_def=repository
        )
        (request,) = schedule.evaluate_tick(context).run_requests
    assert (request.run_key, request.partition_key) == ("2026-11-22", "2026-11-22")
    assert request.tags["dagster/retry_strategy"] == "ALL_STEPS"


def test_a_tick_before_the_start_date_is_skipped(make_settings):
    """Until the first partition's day is over the schedule says why it does nothing."""
    repository = build_definitions(make_settings(cybersec_start_date=dt.date(2030, 1, 1))).get_repository_def()
    schedule = repository.get_schedule_def("daily_training_schedule")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=TWO_O_CLOCK, repository_def=repository
        )
        told = schedule.evaluate_tick(context)
    assert (told.run_requests, "CYBERSEC_START_DATE" in told.skip_message) == ([], True)


def test_cron_and_status_come_from_the_settings(make_settings):
    """CYBERSEC_SCHEDULE_CRON changes the hour, CYBERSEC_SCHEDULE_ENABLED starts it switched on."""
    made = build_definitions(make_settings(cybersec_schedule_cron="30 4 * * *", cybersec_schedule_enabled=True))
    schedule = made.get_repository_def().get_schedule_def("daily_training_schedule")
    assert schedule.cron_schedule == "30 4 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_days_begin_at_the_start_date(make_settings):
    """The first partition is CYBERSEC_START_DATE, and today is none yet."""
    made = build_definitions(make_settings(cybersec_start_date=dt.date(2024, 4, 19)))
    partitions = made.resolve_asset_graph().get(dg.AssetKey(["raw", "network_events"])).partitions_def
    assert partitions.get_first_partition_key() == "2024-04-19"
    assert not partitions.has_partition_key(dt.datetime.now(dt.UTC).date().isoformat())


def test_runs_from_an_asset_selection_are_in_process(definitions):
    """The implicit job behind the UI's and the shell's selections uses the in-process executor, too."""
    repository = definitions.get_repository_def()
    implicit = repository.get_implicit_job_def_for_assets(definitions.resolve_asset_graph().get_all_asset_keys())
    assert implicit.executor_def.name == "in_process"


def test_the_job_for_heavy_days_is_not_defined_off_kubernetes(definitions):
    """Where no account for step pods is set, there is nothing to launch that can only fail."""
    assert [job.name for job in definitions.get_repository_def().get_all_jobs() if job.name[0] != "_"] == [
        "daily_training"
    ]


def test_the_job_for_heavy_days_is_the_daily_one_in_pods(make_settings):
    """It has the same assets and partitions, and no schedule; its executor and its pod's account are its own."""
    definitions = build_definitions(make_settings(cybersec_step_pods_account="pods"))
    daily, pods = (definitions.resolve_job_def(name) for name in ("daily_training", "daily_training_pods"))
    assert pods.asset_layer.executable_asset_keys == daily.asset_layer.executable_asset_keys
    assert pods.partitions_def == daily.partitions_def
    assert set(pods.tags) - set(daily.tags) == {"dagster-k8s/config"}
    assert (daily.executor_def.name, pods.executor_def.name) == ("in_process", "pod_per_step")
    schedules = definitions.get_repository_def().schedule_defs
    assert [schedule.job_name for schedule in schedules] == ["daily_training"]


def test_an_account_is_for_the_job_for_heavy_days_alone(make_settings):
    """With CYBERSEC_STEP_PODS_ACCOUNT, runs of that job ask for its account and a token, and no others do."""
    made = build_definitions(make_settings(cybersec_step_pods_account="pods"))
    daily, pods = (made.resolve_job_def(name).tags for name in ("daily_training", "daily_training_pods"))
    assert "dagster-k8s/config" not in daily
    spec = json.loads(pods["dagster-k8s/config"])["pod_spec_config"]
    assert spec == {"service_account_name": "pods", "automount_service_account_token": True}


def test_the_kubernetes_client_is_not_imported():
    """Loading the code location does not bring the Kubernetes client, which takes 70 MB."""
    program = "import sys, cybersec_assets.definitions; print('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert done.stdout.strip() == "False"


def test_heavy_days_outside_of_a_cluster_are_refused(make_settings):
    """Launched where there is no Kubernetes API, the job says so, and what to launch instead."""
    definitions = build_definitions(make_settings(cybersec_step_pods_account="pods"))
    job = definitions.resolve_job_def("daily_training_pods")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.InitExecutorContext(InMemoryJob(job), job.executor_def, {}, instance)
        with pytest.raises(SettingsError, match="Launch daily_training instead"):
            job.executor_def.executor_creation_fn(context)


@pytest.mark.parametrize(
    "variable",
    [
        "MINIO_ACCESS_KEY",
        "MINIO_SECRET_KEY",
        "FLOWS_S3_ACCESS_KEY",
        "FLOWS_S3_SECRET_KEY",
        "FLOWS_PSEUDONYM_KEY",
        "PG_PASSWORD",
        "PG_MIGRATION_PASSWORD",
        "AUDIT_SIGNING_KEY",
    ],
)
def test_secrets_stay_in_the_environment(settings, monkeypatch, variable):
    """The code location tells the web server nothing of a secret."""
    monkeypatch.setenv(variable, "hush-hush")
    told = dg.serialize_value(RepositorySnap.from_def(build_definitions(settings).get_repository_def()))
    assert "hush-hush" not in told


def test_workspace_and_pyproject_name_the_code_location():
    """`dagster dev` and `dg` in the repository's root find the same module."""
    import tomllib

    workspace = yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]
    named = workspace["load_from"][0]["python_module"]["module_name"]
    assert named == project["dagster"]["module_name"] == project["dg"]["project"]["code_location_target_module"]
    assert named == "cybersec_assets.definitions"
