"""Runs that take long enough to be interrupted, and the checks afterwards."""

import json
import time

from cybersec_assets_tests.support.cluster.cluster import eventually

FLOWS = 3_000_000
START_TIMEOUT = 60
SLOW = (
    f"flows.synthetic={FLOWS}",
    f"runs.startTimeoutSeconds={START_TIMEOUT}",
    # A small node must accept all runs that a test launches at once.
    "runs.maxConcurrent=9",
    "runs.resources.requests.cpu=100m",
)
FAILURE_SECONDS = 60
AUDIT_SECONDS = 120
NO_RETRY = {"dagster/max_retries": "0"}
MEMORY = {"memory": "420Mi"}
"""Not enough memory for this number of flows."""
SHORT_OF_MEMORY = NO_RETRY | {
    "dagster-k8s/config": json.dumps({"container_config": {"resources": {"limits": MEMORY, "requests": MEMORY}}})
}
LATE = "cybersec-test/late"
LATER = "cybersec-test/later"


def without_a_node(label):
    """Return the tags of a run that no node accepts until it has a label."""
    return NO_RETRY | {"dagster-k8s/config": json.dumps({"pod_spec_config": {"node_selector": {label: "true"}}})}


def in_training(release, run_id):
    """Wait until a run trains its model."""
    eventually(lambda: "gold/isolation_forest" in release.phases(run_id), 240, f"the model of run {run_id}")


def out_of_memory(release, run_id):
    """Wait until the kernel kills a run."""

    def oom_killed():
        states = [each["state"] for pod in pods(release, run_id) for each in pod["status"].get("containerStatuses", [])]
        return any(state.get("terminated", {}).get("reason") == "OOMKilled" for state in states)

    eventually(oom_killed, 180, "the OOM kill")


def closed_in_time(release, run_id, since):
    """Check that a run has failed and each of its phases has an end, in time."""
    assert release.finished(run_id, FAILURE_SECONDS)["status"] == "FAILURE"
    failed = time.monotonic() - since
    eventually(
        lambda: "STARTED" not in release.phases(run_id).values(),
        AUDIT_SECONDS - failed,
        f"the end of {run_id}'s phases",
    )
    assert "ABANDONED" in release.phases(run_id).values()


def let_start(release, label, *, now):
    """Add the label that pods wait for to the node, or remove it."""
    node = release.namespace.cluster.call("kubectl", "get", "nodes", "-o", "name").strip()
    release.namespace.cluster.call("kubectl", "label", node, f"{label}=true" if now else f"{label}-")


def pods(release, run_id):
    """Return a run's pods."""
    return release.namespace.get("pods", "-l", f"dagster/run-id={run_id}")


def pod_over(release, run_id):
    """Return whether a run's pod has ended."""
    (pod,) = pods(release, run_id)
    return pod["status"]["phase"] in {"Succeeded", "Failed"}
