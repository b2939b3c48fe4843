"""Runs that are interrupted on a real cluster: each ends as one FAILURE with one end in the audit."""

import time

from cybersec_assets_tests.support.cluster.chart import FULLNAME
from cybersec_assets_tests.support.cluster.cluster import eventually, kill_on_node
from cybersec_assets_tests.support.cluster.slow_runs import (
    AUDIT_SECONDS,
    NO_RETRY,
    SHORT_OF_MEMORY,
    SLOW,
    closed_in_time,
    in_training,
    out_of_memory,
)


def test_a_killed_run_fails_is_closed_and_starts_over(slow):
    """After SIGKILL the run fails within a minute, its phase is closed within two, and a retry runs the whole graph."""
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


def test_an_upgrade_leaves_a_run_alone(slow):
    """An upgrade that restarts every pod of the release does not stop a run."""
    run_id = slow.launch("2026-01-07", NO_RETRY)
    in_training(slow, run_id)
    before = {pod["metadata"]["uid"] for pod in slow.namespace.get("pods")}
    slow.upgrade(*SLOW, "tickRetentionDays=80")
    assert slow.finished(run_id, 300)["status"] == "SUCCESS"
    assert set(slow.phases(run_id).values()) == {"SUCCESS"}

    def left():
        pods = slow.namespace.get("pods", "-l", "app.kubernetes.io/component in (webserver,daemon,code)")
        return before & {pod["metadata"]["uid"] for pod in pods}

    # Helm does not wait for the old pods to end.
    eventually(lambda: not left(), 60, "the pods from before to end")


def test_a_run_out_of_memory_fails_and_is_closed(slow):
    """The kernel kills the run without notice, and both Dagster and the audit report it in time."""
    run_id = slow.launch("2026-01-04", SHORT_OF_MEMORY)
    out_of_memory(slow, run_id)
    closed_in_time(slow, run_id, time.monotonic())


def test_a_run_whose_database_goes_away_ends(slow):
    """With PostgreSQL's pod deleted the run ends, and the audit records the same end."""
    run_id = slow.launch("2026-01-06", NO_RETRY)
    in_training(slow, run_id)
    slow.namespace.kubectl("delete", "pod", f"{FULLNAME}-postgresql-0")
    slow.namespace.kubectl("rollout", "status", f"statefulset/{FULLNAME}-postgresql", "--timeout=120s")
    status = slow.finished(run_id, 300)["status"]
    eventually(lambda: "STARTED" not in slow.phases(run_id).values(), AUDIT_SECONDS, "the end of its phases")
    assert (status == "SUCCESS") == (set(slow.phases(run_id).values()) == {"SUCCESS"})
    assert status in {"SUCCESS", "FAILURE"}
