"""The negative control of what watches over runs: without the daemon and the audit's CronJob nobody ends a dead one."""

import json
import time

import pytest

from cybersec_assets_tests.k8s.chart import FULLNAME
from cybersec_assets_tests.k8s.cluster import eventually, kill_on_node
from cybersec_assets_tests.k8s.slow_runs import (
    AUDIT_SECONDS,
    NO_RETRY,
    SHORT_OF_MEMORY,
    WITHOUT_A_NODE,
    closed_in_time,
    in_training,
    let_start,
    out_of_memory,
)

pytestmark = pytest.mark.k8s
DAYS = {"killed": "2026-01-08", "out of memory": "2026-01-14", "late": "2026-01-15"}


@pytest.fixture(scope="module")
def unwatched(slow):
    """A run that is killed, one that is out of memory and one without a node, two minutes later, and nobody looked."""
    tags = (NO_RETRY, SHORT_OF_MEMORY, WITHOUT_A_NODE)
    runs = {kind: slow.launch(day, tag) for (kind, day), tag in zip(DAYS.items(), tags, strict=True)}
    begun = {"STARTING", "STARTED"}
    eventually(lambda: {slow.run(run_id)["status"] for run_id in runs.values()} <= begun, 60, "the runs' pods")
    try:
        watching(slow, away=True)
        in_training(slow, runs["killed"])
        kill_on_node(runs["killed"])
        out_of_memory(slow, runs["out of memory"])
        time.sleep(AUDIT_SECONDS)
        yield runs
    finally:
        watching(slow, away=False)
        slow.namespace.kubectl("delete", "job", "-l", f"dagster/run-id={runs['late']}")


def watching(release, *, away):
    """Take the daemon and the audit's reconciliation away, or bring them back."""
    release.namespace.kubectl("scale", f"deployment/{FULLNAME}-daemon", f"--replicas={int(not away)}")
    patch = json.dumps({"spec": {"suspend": away}})
    release.namespace.kubectl("patch", "cronjob", f"{FULLNAME}-audit-reconcile", "-p", patch)

    def all_ended():
        pods = release.namespace.get("pods", "-l", "app.kubernetes.io/component in (daemon,audit)")
        return all(pod["status"]["phase"] in {"Succeeded", "Failed"} for pod in pods)

    if away:
        eventually(all_ended, 60, "those who watch to be gone")


@pytest.mark.parametrize("kind", ["killed", "out of memory"])
def test_a_dead_run_stays(slow, unwatched, kind):
    """Long after the time in which it should have been ended a run is still at work, as both say."""
    assert slow.run(unwatched[kind])["status"] == "STARTED"
    assert "STARTED" in slow.phases(unwatched[kind]).values()


def test_a_late_pod_does_its_work(slow, unwatched):
    """A pod that starts far too late makes its layers, as nobody has ended its run: it is not the pod that refuses."""
    assert slow.run(unwatched["late"])["status"] == "STARTING"
    let_start(slow, late=True)
    try:
        eventually(lambda: slow.phases(unwatched["late"]), 120, "the late pod's first phase")
    finally:
        let_start(slow, late=False)


def test_once_they_are_back_they_are_ended(slow, unwatched):
    """It is daemon and CronJob who end dead runs, and nothing else that happens."""
    watching(slow, away=False)
    since = time.monotonic()
    for kind in ("killed", "out of memory"):
        closed_in_time(slow, unwatched[kind], since)
