"""What kills a run on a real cluster, and what is left of it: one FAILURE, one end in the audit, and a good retry."""

import json
import time

import pytest

from cybersec_assets_tests.k8s.chart import FULLNAME
from cybersec_assets_tests.k8s.cluster import eventually, kill_on_node

pytestmark = pytest.mark.k8s
FLOWS = 3_000_000
START_TIMEOUT = 60
SLOW = (f"flows.synthetic={FLOWS}", f"runs.startTimeoutSeconds={START_TIMEOUT}")
FAILURE_SECONDS = 60
AUDIT_SECONDS = 120
NO_RETRY = {"dagster/max_retries": "0"}
LABEL = "cybersec-test"
MISSING = "localhost/cybersec-nothing:1"


@pytest.fixture(scope="module")
def slow(installed):
    """The release with days so large that a run can be met in the middle, and a short start time-out."""
    release, _ = installed
    return release.upgrade(*SLOW)


def in_training(release, run_id):
    """Wait until a run is at its model."""
    eventually(lambda: "gold/isolation_forest" in release.phases(run_id), 180, f"the model of run {run_id}")


def closed_in_time(release, run_id, since):
    """See that the run is a FAILURE, and each of its phases has an end, in time."""
    assert release.finished(run_id, FAILURE_SECONDS)["status"] == "FAILURE"
    failed = time.monotonic() - since
    eventually(
        lambda: "STARTED" not in release.phases(run_id).values(),
        AUDIT_SECONDS - failed,
        f"the end of {run_id}'s phases",
    )
    assert "ABANDONED" in release.phases(run_id).values()


def test_a_killed_run_fails_is_closed_and_starts_over(slow):
    """SIGKILL in the middle: FAILURE in a minute, the phase closed in two, and the whole graph again, to its end."""
    run_id = slow.launch("2026-01-03")
    in_training(slow, run_id)
    since = time.monotonic()
    kill_on_node(run_id)
    closed_in_time(slow, run_id, since)

    def retries():
        return [run for run in slow.runs() if run["tags"].get("dagster/parent_run_id") == run_id]

    (retry,) = eventually(retries, 90, "the retry")
    assert slow.finished(retry["runId"], 300)["status"] == "SUCCESS"
    phases = slow.phases(retry["runId"])
    assert len(phases) == 4
    assert set(phases.values()) == {"SUCCESS"}


def test_without_those_who_watch_a_killed_run_stays(slow):
    """Without the daemon and the CronJob nobody says that a run is dead: it is they who do, once they are back."""
    run_id = slow.launch("2026-01-08", NO_RETRY)
    in_training(slow, run_id)
    watching(slow, away=True)
    try:
        kill_on_node(run_id)
        time.sleep(AUDIT_SECONDS)
        assert slow.run(run_id)["status"] == "STARTED"
        assert "STARTED" in slow.phases(run_id).values()
    finally:
        watching(slow, away=False)
    closed_in_time(slow, run_id, time.monotonic())


def watching(release, *, away):
    """Take the daemon and the audit's reconciliation away, or bring them back."""
    release.namespace.kubectl("scale", f"deployment/{FULLNAME}-daemon", f"--replicas={int(not away)}")
    patch = json.dumps({"spec": {"suspend": away}})
    release.namespace.kubectl("patch", "cronjob", f"{FULLNAME}-audit-reconcile", "-p", patch)


def test_an_image_that_does_not_exist_ends_the_run(slow, image):
    """A run whose image has gone is a FAILURE that names the image, and leaves no row in the audit."""
    launch_with(slow, MISSING)
    try:
        run_id = slow.launch("2026-01-09", NO_RETRY)
        run = slow.finished(run_id, START_TIMEOUT + 90)
    finally:
        launch_with(slow, image)
    assert run["status"] == "FAILURE"
    assert MISSING in json.dumps(run["eventConnection"]["events"])
    assert slow.phases(run_id) == {}


def launch_with(release, image):
    """Have the code location name an image for its runs; the web server is the one who reads it there."""
    code, webserver = (f"deployment/{FULLNAME}-{name}" for name in ("code", "webserver"))
    release.namespace.kubectl("set", "env", code, f"DAGSTER_CURRENT_IMAGE={image}")
    release.namespace.kubectl("rollout", "status", code, "--timeout=120s")
    release.namespace.kubectl("rollout", "restart", webserver)
    release.namespace.kubectl("rollout", "status", webserver, "--timeout=120s")


def test_an_upgrade_leaves_a_run_alone(slow):
    """An upgrade that starts every pod anew does not touch a run that is at work."""
    run_id = slow.launch("2026-01-07", NO_RETRY)
    in_training(slow, run_id)
    before = {pod["metadata"]["uid"] for pod in slow.namespace.get("pods")}
    slow.upgrade(*SLOW, "tickRetentionDays=80")
    assert slow.finished(run_id, 300)["status"] == "SUCCESS"
    assert set(slow.phases(run_id).values()) == {"SUCCESS"}

    def left():
        pods = slow.namespace.get("pods", "-l", "app.kubernetes.io/component in (webserver,daemon,code)")
        return before & {pod["metadata"]["uid"] for pod in pods}

    # Helm does not wait for the old ones to be gone.
    eventually(lambda: not left(), 60, "the pods from before to end")


def test_a_run_out_of_memory_fails_and_is_closed(slow):
    """A run over its memory limit is OOM-killed: no process of it could say so, and both say it in time."""
    memory = {"memory": "420Mi"}
    limit = {"container_config": {"resources": {"limits": memory, "requests": memory}}}
    run_id = slow.launch("2026-01-04", NO_RETRY | {"dagster-k8s/config": json.dumps(limit)})

    def oom_killed():
        pods = slow.namespace.get("pods", "-l", f"dagster/run-id={run_id}")
        states = [each["state"] for pod in pods for each in pod["status"].get("containerStatuses", [])]
        return any(state.get("terminated", {}).get("reason") == "OOMKilled" for state in states)

    eventually(oom_killed, 180, "the OOM kill")
    closed_in_time(slow, run_id, time.monotonic())


def test_a_pod_that_starts_too_late_does_nothing(slow):
    """A run whose pod cannot start is a FAILURE that says so; when the pod starts after all, it leaves nothing."""
    node = slow.namespace.cluster.call("kubectl", "get", "nodes", "-o", "name").strip()
    where = {"pod_spec_config": {"node_selector": {LABEL: "late"}}}
    run_id = slow.launch("2026-01-05", NO_RETRY | {"dagster-k8s/config": json.dumps(where)})
    run = slow.finished(run_id, START_TIMEOUT + 90)
    assert run["status"] == "FAILURE"
    said = " ".join(event.get("message", "") for event in run["eventConnection"]["events"])
    assert "longer than 60 seconds to start" in said
    slow.namespace.cluster.call("kubectl", "label", node, f"{LABEL}=late")
    try:
        eventually(
            lambda: all(
                pod["status"]["phase"] in {"Succeeded", "Failed"}
                for pod in slow.namespace.get("pods", "-l", f"dagster/run-id={run_id}")
            ),
            120,
            "the late pod's end",
        )
    finally:
        slow.namespace.cluster.call("kubectl", "label", node, f"{LABEL}-")
    assert slow.phases(run_id) == {}
    assert slow.run(run_id)["status"] == "FAILURE"


def test_a_database_that_goes_away_leaves_no_half(slow):
    """With PostgreSQL's pod deleted in the middle, the run comes to an end, and the audit says the same one."""
    run_id = slow.launch("2026-01-06", NO_RETRY)
    in_training(slow, run_id)
    slow.namespace.kubectl("delete", "pod", f"{FULLNAME}-postgresql-0")
    slow.namespace.kubectl("rollout", "status", f"statefulset/{FULLNAME}-postgresql", "--timeout=120s")
    status = slow.finished(run_id, 300)["status"]
    eventually(lambda: "STARTED" not in slow.phases(run_id).values(), AUDIT_SECONDS, "the end of its phases")
    assert (status == "SUCCESS") == (set(slow.phases(run_id).values()) == {"SUCCESS"})
    assert status in {"SUCCESS", "FAILURE"}
