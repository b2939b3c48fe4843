"""Assets, jobs and schedule match the contract, and all tools find them."""

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
    return build_definitions(settings)


def describe(definitions):
    """Return everything that users rely on."""
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
    """CYBERSEC_TEST_UPDATE=1 writes the snapshot."""
    described = describe(definitions)
    if os.environ.get("CYBERSEC_TEST_UPDATE"):
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(json.dumps(described, indent=2) + "\n")
    assert described == json.loads(SNAPSHOT.read_text())


def test_there_are_no_sensors(definitions):
    """Not even a built-in one."""
    assert list(definitions.get_repository_def().sensor_defs) == []


def test_the_schedule_requests_the_day_before(definitions):
    """At 02:00 UTC the schedule requests the day before, with the day as run key. A retry starts over."""
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
    """The skip has a reason."""
    repository = build_definitions(make_settings(cybersec_start_date=dt.date(2030, 1, 1))).get_repository_def()
    schedule = repository.get_schedule_def("daily_training_schedule")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=TWO_O_CLOCK, repository_def=repository
        )
        tick = schedule.evaluate_tick(context)
    assert (tick.run_requests, "CYBERSEC_START_DATE" in tick.skip_message) == ([], True)


def test_cron_and_status_come_from_the_settings(make_settings):
    made = build_definitions(make_settings(cybersec_schedule_cron="30 4 * * *", cybersec_schedule_enabled=True))
    schedule = made.get_repository_def().get_schedule_def("daily_training_schedule")
    assert schedule.cron_schedule == "30 4 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_days_begin_at_the_start_date(make_settings):
    """The last partition is yesterday."""
    made = build_definitions(make_settings(cybersec_start_date=dt.date(2024, 4, 19)))
    partitions = made.resolve_asset_graph().get(dg.AssetKey(["raw", "network_events"])).partitions_def
    assert partitions.get_first_partition_key() == "2024-04-19"
    assert not partitions.has_partition_key(dt.datetime.now(dt.UTC).date().isoformat())


def test_runs_from_an_asset_selection_are_in_process(definitions):
    """The implicit job of selections in the UI and the shell uses the in-process executor."""
    repository = definitions.get_repository_def()
    implicit = repository.get_implicit_job_def_for_assets(definitions.resolve_asset_graph().get_all_asset_keys())
    assert implicit.executor_def.name == "in_process"


def test_the_pods_job_is_not_defined_outside_of_kubernetes(definitions):
    """Without an account for step pods the job could only fail."""
    assert [job.name for job in definitions.get_repository_def().get_all_jobs() if job.name[0] != "_"] == [
        "daily_training"
    ]


def test_the_pods_job_has_the_graph_of_the_daily_job(make_settings):
    """It has the same assets and partitions, no schedule, and its own executor and account."""
    definitions = build_definitions(make_settings(cybersec_step_pods_account="pods"))
    daily, pods = (definitions.resolve_job_def(name) for name in ("daily_training", "daily_training_pods"))
    assert pods.asset_layer.executable_asset_keys == daily.asset_layer.executable_asset_keys
    assert pods.partitions_def == daily.partitions_def
    assert set(pods.tags) - set(daily.tags) == {"dagster-k8s/config"}
    assert (daily.executor_def.name, pods.executor_def.name) == ("in_process", "pod_per_step")
    schedules = definitions.get_repository_def().schedule_defs
    assert [schedule.job_name for schedule in schedules] == ["daily_training"]


def test_only_the_pods_job_has_an_account(make_settings):
    """Only runs of that job get the account and a token."""
    made = build_definitions(make_settings(cybersec_step_pods_account="pods"))
    daily, pods = (made.resolve_job_def(name).tags for name in ("daily_training", "daily_training_pods"))
    assert "dagster-k8s/config" not in daily
    spec = json.loads(pods["dagster-k8s/config"])["pod_spec_config"]
    assert spec == {"service_account_name": "pods", "automount_service_account_token": True}


def test_the_kubernetes_client_is_not_imported():
    """The client takes 70 MB."""
    program = "import sys, cybersec_assets.definitions; print('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert done.stdout.strip() == "False"


def test_the_pods_job_is_refused_outside_of_a_cluster(make_settings):
    """The error says what to launch instead."""
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
    """The web server gets no secret from the code location."""
    monkeypatch.setenv(variable, "hush-hush")
    snapshot = dg.serialize_value(RepositorySnap.from_def(build_definitions(settings).get_repository_def()))
    assert "hush-hush" not in snapshot


def test_workspace_and_pyproject_name_the_code_location():
    """`dagster dev` and `dg` in the repository's root find the same module."""
    import tomllib

    workspace = yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]
    named = workspace["load_from"][0]["python_module"]["module_name"]
    assert named == project["dagster"]["module_name"] == project["dg"]["project"]["code_location_target_module"]
    assert named == "cybersec_assets.definitions"
