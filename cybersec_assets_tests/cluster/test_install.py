"""From an empty namespace to an audited model on a real cluster, and the uninstall."""

import json
import time

import pytest

from cybersec_assets_tests.support.cluster.chart import FULLNAME, RELEASE
from cybersec_assets_tests.support.cluster.cluster import eventually, namespace
from cybersec_assets_tests.support.cluster.release import LOGS, Release
from cybersec_assets_tests.support.cluster.slow_runs import LATE, without_a_node

DAY = "2026-01-02"
KINDS = "all,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,ingresses,pvc"
RUNS = "app.kubernetes.io/component=run"
OTHERS_RUN = (RUNS, "app.kubernetes.io/name=cybersec-assets", "app.kubernetes.io/instance=other")


@pytest.fixture(scope="module")
def done(release):
    """Launch a run through the web server and wait for its end."""
    run_id = release.materialize(DAY)
    return run_id, release.finished(run_id, 180)


def test_an_install_is_ready(installed, measured):
    """`helm install --wait` returns with all pods ready and the setup finished."""
    release, seconds = installed
    pods = release.namespace.get("pods", "-l", "app.kubernetes.io/component in (webserver,daemon,code)")
    assert len(pods) == 3
    assert all(status["ready"] for pod in pods for status in pod["status"]["containerStatuses"])
    measured(f"ready after {seconds:.1f} s")


def test_helms_test_passes(release):
    """`helm test` writes to both stores and reads from them."""
    assert "Succeeded" in release.namespace.cluster.call("helm", "test", RELEASE, "-n", release.namespace.name)


def test_a_day_materialized_in_the_ui_is_audited(release, done):
    """One pod runs all four phases, and the audit names objects that exist with the recorded bytes."""
    run_id, run = done
    assert run["status"] == "SUCCESS", run
    assert set(release.phases(run_id).values()) == {"SUCCESS"}
    with release.database() as cursor:
        paths = []
        for table, column in (
            ("ingestion_events", "ruta_minio"),
            ("transformation_events", "ruta_minio"),
            ("training_events", "ruta_modelo"),
            ("evaluation_events", "ruta_resultados"),
        ):
            cursor.execute(f"SELECT {column} AS path, size_bytes FROM {table} WHERE run_id = %s", [run_id])
            paths += [(row["path"], row["size_bytes"]) for row in cursor.fetchall()]
    assert len(paths) == 4
    with release.store() as s3:
        for path, size in paths:
            bucket, key = path.removeprefix("s3://").split("/", 1)
            assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == size


def test_a_runs_pod_is_restricted(release, done, measured):
    """It has no token and cannot write to its root file system."""
    run_id, run = done
    (job,) = release.namespace.get("jobs", "-l", f"dagster/run-id={run_id}")
    spec = job["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    measured(f"at its first step {run['startTime'] - run['creationTime']:.1f} s after its launch")


def test_idle_pods_are_measured(release, measured):
    """Report the memory in use by each pod, and the total without the stores."""
    (node,) = json.loads(release.namespace.cluster.call("kubectl", "get", "nodes", "-o", "json"))["items"]
    path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
    idle = {
        pod["podRef"]["name"]: pod["memory"]["workingSetBytes"] >> 20
        for pod in json.loads(release.namespace.cluster.call("kubectl", "get", "--raw", path))["pods"]
        if pod["podRef"]["namespace"] == release.namespace.name and pod.get("memory")
    }
    ours = {name: size for name, size in idle.items() if not name.endswith(("-postgresql-0", "-minio-0"))}
    assert {name.removeprefix(FULLNAME).split("-")[1] for name in ours} >= {"webserver", "daemon", "code"}
    measured(f"idle: {sum(ours.values())} MiB, {ours}")


def test_logs_outlive_the_pod(release, done):
    """The web server shows the output of a run whose Job and pod were deleted."""
    run_id, run = done
    release.namespace.kubectl("delete", "job", "-l", f"dagster/run-id={run_id}")
    eventually(lambda: not release.namespace.get("pods", "-l", f"dagster/run-id={run_id}"), 60, "the pod to be gone")
    keys = [event["fileKey"] for event in run["eventConnection"]["events"] if event.get("fileKey")]
    logs = release.ask(LOGS, key=[run_id, "compute_logs", keys[0]])["capturedLogs"]
    assert "gold__evaluation" in logs["stderr"]


def test_the_daily_schedule_fires(installed):
    """The schedule launches a run for the day before, and the run succeeds in its pod."""
    release, _ = installed

    def scheduled():
        return [run for run in release.runs() if run["tags"].get("dagster/schedule_name") == "daily_training_schedule"]

    assert scheduled() == []
    # Every minute, as the upgrade may take long. The day is the run's key, so that there is only one run.
    release.upgrade("schedule.cron=* * * * *", "schedule.enabled=true")
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    (run,) = eventually(scheduled, 240, "the schedule's run")
    assert run["tags"]["dagster/partition"] == day
    assert release.finished(run["runId"], 180)["status"] == "SUCCESS"
    assert set(release.phases(run["runId"]).values()) == {"SUCCESS"}


def test_an_upgrade_keeps_the_generated_passwords(release):
    """An upgrade with the same values changes neither the Secret nor any pod."""
    release.upgrade()
    before = release.namespace.secret(f"{FULLNAME}-generated"), generations(release)
    release.upgrade()
    assert (release.namespace.secret(f"{FULLNAME}-generated"), generations(release)) == before


def test_an_upgrade_without_the_old_secret_is_refused(release):
    """New passwords would not match the stores'. Helm names the missing Secret, and continues once it is back."""
    name = f"{FULLNAME}-generated"
    kept = json.loads(release.namespace.kubectl("get", "secret", name, "-o", "json"))
    kept["metadata"] = {each: kept["metadata"][each] for each in ("name", "labels", "annotations")}
    release.namespace.kubectl("delete", "secret", name)
    try:
        refused = release.helm("upgrade")
    finally:
        release.namespace.kubectl("apply", "-f", "-", given=json.dumps(kept))
    assert refused.returncode != 0
    assert f"the Secret {name} with the passwords and the signing key of this release is missing" in refused.stderr
    release.upgrade()


def generations(release):
    """Return the generation of each Deployment, which increases with every change of its spec."""
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in release.namespace.get("deployments")}


def test_an_uninstall_leaves_the_volumes_and_nothing_else(cluster, settings):
    """Only the volume claims of the bundled stores remain, and a new install beside them is refused with the reason.

    Runs are deleted. As the negative control, a run of another release in the namespace is not.
    """
    with namespace(cluster, "cybersec-test-uninstall") as own:
        release = Release(own, settings)
        assert release.helm("install").returncode == 0
        release.finished(release.launch(DAY), 180)
        release.launch("2026-01-03", without_a_node(LATE))
        eventually(lambda: len(own.get("jobs", "-l", RUNS)) == 2, 60, "the second run's Job")
        own.kubectl("create", "job", "another", "--image=localhost/nothing")
        own.kubectl("label", "job", "another", *OTHERS_RUN)
        cluster.call("helm", "uninstall", RELEASE, "-n", own.name, "--wait")
        eventually(lambda: not own.get("pods", "-l", "app.kubernetes.io/instance=flows"), 90, "the pods to be gone")
        left = {(each["kind"], each["metadata"]["name"]) for each in own.get(KINDS) if each["kind"] != "Pod"}
        given = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"), ("Job", "another")}
        claims = {("PersistentVolumeClaim", f"data-{FULLNAME}-{store}-0") for store in ("postgresql", "minio")}
        assert left == given | claims
        again = release.helm("install")
        assert again.returncode != 0
        assert f"data-{FULLNAME}-postgresql-0 contains the database of an earlier release" in again.stderr
