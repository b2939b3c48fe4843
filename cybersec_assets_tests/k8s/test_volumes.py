"""Volumes and scratch space that are full: the run fails, says which it was, and the next one goes through."""

import pytest

from cybersec_assets_tests.k8s.cluster import eventually
from cybersec_assets_tests.k8s.slow_runs import AUDIT_SECONDS, FLOWS, NO_RETRY, in_training, pod_over, pods
from cybersec_assets_tests.k8s.volumes import filled, small_disk

pytestmark = pytest.mark.k8s


@pytest.fixture(autouse=True)
def plain(release):
    """The release as it was installed, before each of them and behind them."""
    yield release.upgrade()
    release.upgrade()


def test_an_object_store_that_is_full_is_told(plain):
    """A run that has no room for its objects is a FAILURE that says so, with a FAILED row; the next one succeeds."""
    with small_disk(plain, "minio") as disk:
        with filled(disk):
            run_id = plain.launch("2026-01-11", NO_RETRY)
            run = plain.finished(run_id, 180)
        assert run["status"] == "FAILURE"
        assert plain.phases(run_id) == {"raw/network_events": "FAILED"}
        assert "XMinioStorageFull" in said(run)
        succeeds(plain, "2026-01-11")


def test_a_database_that_is_full_leaves_no_half(plain):
    """A run whose audit has no room comes to an end; with room again its phases do, too, and the next one succeeds."""
    plain.upgrade(f"flows.synthetic={FLOWS}")
    with small_disk(plain, "postgresql") as disk:
        run_id = plain.launch("2026-01-12", NO_RETRY)
        in_training(plain, run_id)
        with filled(disk):
            eventually(lambda: pod_over(plain, run_id), 240, "the end of the run's pod")
        plain.upgrade()
        assert plain.finished(run_id, 120)["status"] == "FAILURE"
        ended(plain, run_id)
        succeeds(plain, "2026-01-12")


def test_a_scratch_that_is_full_is_told(plain):
    """A run that needs more than its scratch space is evicted, as its pod says: a FAILURE, and its phases end."""
    plain.upgrade(f"flows.synthetic={FLOWS}", "runs.scratchSize=8Mi")
    run_id = plain.launch("2026-01-13", NO_RETRY)
    assert plain.finished(run_id, 180)["status"] == "FAILURE"
    (pod,) = pods(plain, run_id)
    assert pod["status"]["reason"] == "Evicted"
    assert "EmptyDir volume" in pod["status"]["message"]
    ended(plain, run_id)


def said(run):
    """Give all that a run's events say."""
    return "\n".join(event.get("message", "") for event in run["eventConnection"]["events"])


def ended(release, run_id):
    """See that what a run began and did not end is closed."""
    eventually(lambda: "STARTED" not in release.phases(run_id).values(), AUDIT_SECONDS, "the end of its phases")
    assert set(release.phases(run_id).values()) & {"ABANDONED", "FAILED"}


def succeeds(release, day):
    """See that a run goes through."""
    assert release.finished(release.launch(day, NO_RETRY), 180)["status"] == "SUCCESS"
