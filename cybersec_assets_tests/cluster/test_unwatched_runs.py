"""What ends lost runs, and the negative control: without the daemon and the audit's CronJob they stay open.

The same runs are checked twice: two minutes after they were lost, and once the daemon and the CronJob are back.
"""

import json
import time

import pytest

from cybersec_assets_tests.support.cluster.chart import FULLNAME
from cybersec_assets_tests.support.cluster.cluster import eventually, kill_on_node
from cybersec_assets_tests.support.cluster.release import OVER
from cybersec_assets_tests.support.cluster.slow_runs import (
    AUDIT_SECONDS,
    FAILURE_SECONDS,
    LATE,
    LATER,
    NO_RETRY,
    SHORT_OF_MEMORY,
    START_TIMEOUT,
    closed_in_time,
    in_training,
    let_start,
    out_of_memory,
    pod_over,
    without_a_node,
)

MISSING = "localhost/cybersec-nothing:1"
LAUNCHED = {
    "killed": ("2026-01-08", NO_RETRY),
    "out of memory": ("2026-01-14", SHORT_OF_MEMORY),
    "without a database": ("2026-01-16", NO_RETRY),
    "late": ("2026-01-15", without_a_node(LATE)),
    "too late": ("2026-01-05", without_a_node(LATER)),
}
DEAD = ("killed", "out of memory", "without a database")
STUCK = ("too late", "without an image")


@pytest.fixture(scope="module")
def unwatched(slow, image):
    """Return runs that were lost in different ways two minutes ago, without a daemon or a CronJob."""
    try:
        watching(slow, away=True)
        runs = {kind: slow.launch(day, tag) for kind, (day, tag) in LAUNCHED.items()}
        runs["without an image"] = launched_without_image(slow, image)
        watching(slow, away=False)
        eventually(lambda: begun(slow, runs), 60, "the runs' pods")
        watching(slow, away=True)
        lose(slow, runs)
        yield runs
    finally:
        watching(slow, away=False)


def launched_without_image(release, image):
    """Launch a run while the code location names an image that does not exist."""
    try:
        launch_with(release, MISSING)
        return release.launch("2026-01-09", NO_RETRY)
    finally:
        launch_with(release, image)


def begun(release, runs):
    """Return whether the daemon has launched all runs. None of them may end before the daemon is stopped."""
    states = {release.run(run_id)["status"] for run_id in runs.values()}
    assert not states & OVER, states
    return states <= {"STARTING", "STARTED"}


def lose(release, runs):
    """Kill or delete the runs, and wait for as long as the daemon would have taken."""
    in_training(release, runs["killed"])
    kill_on_node(runs["killed"])
    out_of_memory(release, runs["out of memory"])
    in_training(release, runs["without a database"])
    assert release.phases(runs["without a database"])["gold/isolation_forest"] == "STARTED"
    since = time.monotonic()
    postgresql = f"statefulset/{FULLNAME}-postgresql"
    release.namespace.kubectl("scale", postgresql, "--replicas=0")
    try:
        eventually(lambda: pod_over(release, runs["without a database"]), 240, "the run to give up on its database")
    finally:
        release.namespace.kubectl("scale", postgresql, "--replicas=1")
        release.namespace.kubectl("rollout", "status", postgresql, "--timeout=120s")
    time.sleep(max(0, since + AUDIT_SECONDS - time.monotonic()))


def watching(release, *, away):
    """Stop the daemon and the audit's reconciliation, or start them again."""
    release.namespace.kubectl("scale", f"deployment/{FULLNAME}-daemon", f"--replicas={int(not away)}")
    patch = json.dumps({"spec": {"suspend": away}})
    release.namespace.kubectl("patch", "cronjob", f"{FULLNAME}-audit-reconcile", "-p", patch)

    def all_ended():
        pods = release.namespace.get("pods", "-l", "app.kubernetes.io/component in (daemon,audit)")
        return all(pod["status"]["phase"] in {"Succeeded", "Failed"} for pod in pods)

    if away:
        eventually(all_ended, 60, "those who watch to be gone")
    else:
        release.namespace.kubectl("rollout", "status", f"deployment/{FULLNAME}-daemon", "--timeout=120s")


def launch_with(release, image):
    """Set the image that the code location names for its runs, which the web server reads there."""
    code, webserver = (f"deployment/{FULLNAME}-{name}" for name in ("code", "webserver"))
    release.namespace.kubectl("set", "env", code, f"DAGSTER_CURRENT_IMAGE={image}")
    release.namespace.kubectl("rollout", "status", code, "--timeout=120s")
    release.namespace.kubectl("rollout", "restart", webserver)
    release.namespace.kubectl("rollout", "status", webserver, "--timeout=120s")


@pytest.mark.parametrize("kind", DEAD)
def test_a_killed_run_stays_open(slow, unwatched, kind):
    """Both Dagster and the audit still show the run as started after the time in which it should have failed."""
    assert slow.run(unwatched[kind])["status"] == "STARTED"
    assert "STARTED" in slow.phases(unwatched[kind]).values()


@pytest.mark.parametrize("kind", STUCK)
def test_a_stuck_run_stays_open(slow, unwatched, kind):
    """The run is still starting after the time in which its pod should have started."""
    assert slow.run(unwatched[kind])["status"] == "STARTING"


def test_a_late_pod_does_its_work(slow, unwatched):
    """A pod that starts too late does its work if its run was not ended: the pod itself does not refuse."""
    assert slow.run(unwatched["late"])["status"] == "STARTING"
    let_start(slow, LATE, now=True)
    try:
        eventually(lambda: slow.phases(unwatched["late"]), 120, "the late pod's first phase")
    finally:
        let_start(slow, LATE, now=False)


def test_a_run_whose_job_is_deleted_does_not_succeed(slow, unwatched):
    """This is the control for upgrades, which must not delete Jobs."""
    slow.namespace.kubectl("delete", "job", "-l", f"dagster/run-id={unwatched['late']}")
    assert slow.finished(unwatched["late"], 60)["status"] == "FAILURE"
    assert slow.phases(unwatched["late"]).get("gold/evaluation") != "SUCCESS"


def test_the_daemon_and_the_cron_job_end_all_lost_runs(slow, unwatched):
    watching(slow, away=False)
    since = time.monotonic()
    for kind in (*DEAD, *STUCK):
        assert slow.finished(unwatched[kind], since + FAILURE_SECONDS - time.monotonic())["status"] == "FAILURE"
    for kind in DEAD:
        closed_in_time(slow, unwatched[kind], since)


def test_an_image_that_does_not_exist_is_named(slow, unwatched):
    """The run names the image, and the audit has no row of it."""
    run_id = unwatched["without an image"]
    assert MISSING in json.dumps(slow.run(run_id)["eventConnection"]["events"])
    assert slow.phases(run_id) == {}


def test_a_pod_that_starts_too_late_does_nothing(slow, unwatched):
    """A run whose pod cannot start fails. A pod that starts afterwards writes nothing."""
    run_id = unwatched["too late"]
    said = " ".join(event.get("message", "") for event in slow.run(run_id)["eventConnection"]["events"])
    assert f"longer than {START_TIMEOUT} seconds to start" in said
    let_start(slow, LATER, now=True)
    try:
        eventually(lambda: pod_over(slow, run_id), 120, "the late pod's end")
    finally:
        let_start(slow, LATER, now=False)
    assert slow.phases(run_id) == {}
    assert slow.run(run_id)["status"] == "FAILURE"
