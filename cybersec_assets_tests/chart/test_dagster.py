"""The rendered `dagster.yaml`, read by Dagster itself, and the Job that Dagster makes for a run."""

import dagster as dg
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._core.storage.dagster_run import DagsterRun
from dagster._utils.tags import TagConcurrencyLimitsCounter
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
from dagster_postgres.storage import DagsterPostgresStorage

from cybersec_assets_tests.support.cluster.chart import DEMO, FULLNAME, NAMESPACE, OWN, dagster_yaml, find, merged
from cybersec_assets_tests.support.cluster.pod_security import faults
from cybersec_assets_tests.support.cluster.run_job import launcher_config, run_job

ONE_OF_A_DAY = {"key": "dagster/partition", "limit": 1, "value": {"applyLimitPerUniqueValue": True}}


@pytest.fixture
def instance(manifests):
    """Return the configuration of Dagster's instance."""
    return dagster_yaml(manifests)


@pytest.fixture
def environment(monkeypatch):
    """Set the variables that the configuration names."""
    values = {"PG_HOST": "db", "PG_PORT": "6432", "DAGSTER_PG_USER": "dagster", "DAGSTER_PG_DATABASE": "own"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def processed(config_class, config):
    """Return a configuration as Dagster's class receives it."""
    result = process_config(resolve_to_config_type(config_class.config_type()), config)
    assert result.success, result.errors
    return result.value


def test_dagster_accepts_it(manifests, instance, tmp_path):
    """Dagster loads the file as an instance's configuration and finds each class that it names."""
    (tmp_path / "dagster.yaml").write_text(find(manifests, "ConfigMap", "-instance")["data"]["dagster.yaml"])
    read, _ = dagster_instance_config(str(tmp_path))
    assert read["run_monitoring"] == instance["run_monitoring"]
    ref = InstanceRef.from_dir(str(tmp_path))
    assert ref.run_launcher_data.class_name == "K8sRunLauncher"
    assert ref.compute_logs_data.class_name == "S3ComputeLogManager"
    processed(QueuedRunCoordinator, {})


@pytest.mark.usefixtures("environment")
def test_the_storage_names_its_driver(instance):
    """The storage uses its own database and psycopg2, and the file contains no password."""
    storage = processed(DagsterPostgresStorage, instance["storage"]["postgres"])
    database = storage["postgres_db"]
    assert database["scheme"] == "postgresql+psycopg2"
    assert (database["hostname"], database["port"], database["db_name"]) == ("db", 6432, "own")
    assert database["password"] == ""


def test_logs_go_to_the_prefixs_bucket(helm):
    """Compute logs are stored in `<prefix>-logs` on the S3 server of the artifacts, checked with its CA."""
    values = merged(OWN, {"bucketPrefix": "acme-flows"})
    config = processed(S3ComputeLogManager, dagster_yaml(helm.manifests(values))["compute_logs"]["config"])
    assert config["bucket"] == "acme-flows-logs"
    assert config["endpoint_url"] == "https://s3.example:9443"
    assert config["verify_cert_path"] == "/etc/cybersec/s3/ca.crt"


def test_a_run_is_monitored_and_retried_as_a_whole(instance):
    """A run that died fails and is retried as a whole. A run with a failed asset is not retried."""
    monitoring = instance["run_monitoring"]
    assert monitoring["enabled"]
    assert (monitoring["poll_interval_seconds"], monitoring["max_resume_run_attempts"]) == (30, 0)
    assert instance["run_retries"] == {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}


def run_queue(instance, folder):
    """Return the run queue's configuration as the daemon gets it, from an instance without the stores."""
    outside = {"storage", "compute_logs", "local_artifact_storage", "run_launcher"}
    kept = {name: value for name, value in instance.items() if name not in outside}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(kept))
    with dg.DagsterInstance.from_config(str(folder)) as opened:
        return opened.get_concurrency_config().run_queue_config


def test_concurrent_runs_are_limited(helm, tmp_path):
    """The run queue allows as many concurrent runs as the values say, and at most one of each day."""
    values = merged(DEMO, {"runs": {"maxConcurrent": 7}})
    queue = run_queue(dagster_yaml(helm.manifests(values)), tmp_path)
    assert queue.max_concurrent_runs == 7
    assert queue.tag_concurrency_limits == [ONE_OF_A_DAY]


def test_limits_of_tags_keep_the_limit_of_days(helm, tmp_path):
    """A limit on another tag is added to that of days. A limit on the tag of days replaces it."""
    backfills = {"key": "dagster/backfill", "limit": 3}
    two_of_a_day = ONE_OF_A_DAY | {"limit": 2}
    for given, found in (([backfills], [backfills, ONE_OF_A_DAY]), ([two_of_a_day], [two_of_a_day])):
        values = merged(DEMO, {"runs": {"tagConcurrencyLimits": given}})
        assert run_queue(dagster_yaml(helm.manifests(values)), tmp_path).tag_concurrency_limits == found


def test_backfills_leave_room_for_the_schedule(helm, tmp_path):
    """The queue blocks a third run of a backfill and a second run of a day, and no other."""
    limits = run_queue(dagster_yaml(helm.manifests(OWN)), tmp_path).tag_concurrency_limits

    def run(day, **more):
        return DagsterRun(job_name="daily_training", tags={"dagster/partition": day} | more)

    backfill = {"dagster/backfill": "abc"}
    counter = TagConcurrencyLimitsCounter(limits, [run("2026-01-01", **backfill), run("2026-01-02", **backfill)])
    assert counter.is_blocked(run("2026-01-03", **backfill))
    assert counter.is_blocked(run("2026-01-02"))
    assert not counter.is_blocked(run("2026-01-03"))


def test_kubernetes_ends_a_run_only_after_dagster(instance):
    """The Job's deadline is later than Dagster's, which gives the reason."""
    deadline = run_job(instance)["spec"]["activeDeadlineSeconds"]
    assert deadline > instance["run_monitoring"]["max_runtime_seconds"]


def test_a_runs_pod(instance, manifests):
    """It is restricted, has no token, never restarts, and has the release's labels."""
    job = run_job(instance)
    template = job["spec"]["template"]
    assert faults(template["spec"]) == []
    assert template["spec"]["automountServiceAccountToken"] is False
    assert template["spec"]["serviceAccountName"] == f"{FULLNAME}-run"
    assert (job["spec"]["backoffLimit"], template["spec"]["restartPolicy"]) == (0, "Never")
    selector = find(manifests, "NetworkPolicy", "-default-deny")["spec"]["podSelector"]["matchLabels"]
    assert selector.items() <= template["metadata"]["labels"].items()
    assert template["metadata"]["labels"]["app.kubernetes.io/component"] == "run"
    assert launcher_config(instance)["job_namespace"] == NAMESPACE


def test_a_run_has_the_code_locations_environment(instance, manifests):
    """A run has the same variables as the code location, so that the Launchpad shows what the run uses."""
    (server,) = find(manifests, "Deployment", "-code")["spec"]["template"]["spec"]["containers"]
    (run,) = run_job(instance)["spec"]["template"]["spec"]["containers"]
    names = [each["name"] for each in run["env"]]
    assert len(names) == len(set(names))
    given = {each["name"]: each for each in run["env"]}
    expected = {each["name"]: each for each in server["env"] if each["name"] != "DAGSTER_CURRENT_IMAGE"}
    assert {name: given[name] for name in expected} == expected


def test_a_run_reads_the_logs_and_cannot_change_them(helm):
    """The claim and its mount are read-only. Scratch is an emptyDir with a limit."""
    spec = run_job(dagster_yaml(helm.manifests(OWN)))["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["flows"]["persistentVolumeClaim"] == {"claimName": "sensor-logs", "readOnly": True}
    assert volumes["tmp"]["emptyDir"] == {"sizeLimit": "20Gi"}
    mounts = {mount["name"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    assert mounts["flows"] == {"name": "flows", "mountPath": "/flows", "readOnly": True}


def test_tags_of_a_run_cannot_change_its_pod(instance):
    """Tags of a run may set resources and nodes, but not the image, volumes, environment or namespace."""
    config = launcher_config(instance)
    allowed = config["only_allow_user_defined_k8s_config_fields"]
    assert allowed["container_config"] == {"resources": True}
    assert allowed["pod_spec_config"] == {"node_selector": True, "tolerations": True}
    assert allowed["namespace"] is False
    assert config["only_allow_user_defined_env_vars"] == []


def test_the_workspace_is_the_code_locations_service(manifests):
    """`workspace.yaml` names the Service of the code location and its port."""
    text = find(manifests, "ConfigMap", "-instance")["data"]["workspace.yaml"]
    (server,) = yaml.safe_load(text)["load_from"]
    service = find(manifests, "Service", "-code")
    assert server["grpc_server"]["host"] == service["metadata"]["name"]
    assert server["grpc_server"]["port"] == service["spec"]["ports"][0]["port"]
    assert server["grpc_server"]["location_name"] == "cybersec_assets"


def test_the_values_of_a_run_reach_its_job(helm):
    values = merged(
        DEMO,
        {
            "runs": {
                "resources": {"limits": {"memory": "7Gi"}},
                "activeDeadlineSeconds": 99_999,
                "ttlSecondsAfterFinished": 77,
            }
        },
    )
    job = run_job(dagster_yaml(helm.manifests(values)))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": "7Gi"}
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["ttlSecondsAfterFinished"]) == (99_999, 77)
