"""What ends a run in its middle on a real cluster, and what is left of it: one FAILURE, one end in the audit."""

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
    run_id = slow.launch("2026-01-04", SHORT_OF_MEMORY)
    out_of_memory(slow, run_id)
    closed_in_time(slow, run_id, time.monotonic())


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
