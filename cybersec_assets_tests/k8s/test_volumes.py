"""Volumes and scratch space that are full: the run fails, says which it was, and the next one goes through."""

import json

import pytest

from cybersec_assets_tests.k8s.cluster import eventually
from cybersec_assets_tests.k8s.slow_runs import AUDIT_SECONDS, FLOWS, NO_RETRY, in_training, pod_over
from cybersec_assets_tests.k8s.volumes import filled, small_disk

pytestmark = pytest.mark.k8s


def test_an_object_store_that_is_full_is_told(release):
    """A run that has no room for its objects is a FAILURE that says so, with a FAILED row; the next one succeeds."""
    release.upgrade()
    with small_disk(release, "minio") as disk:
        with filled(disk):
            run_id = release.launch("2026-01-11", NO_RETRY)
            run = release.finished(run_id, 180)
        assert run["status"] == "FAILURE"
        assert release.phases(run_id) == {"raw/network_events": "FAILED"}
        assert "full" in json.dumps(run["eventConnection"]["events"])
        succeeds(release, "2026-01-11")


def test_a_database_that_is_full_leaves_no_half(release):
    """A run whose audit has no room comes to an end; with room again its phases do, too, and the next one succeeds."""
    slow = release.upgrade(f"flows.synthetic={FLOWS}")
    with small_disk(slow, "postgresql") as disk:
        run_id = slow.launch("2026-01-12", NO_RETRY)
        in_training(slow, run_id)
        with filled(disk):
            eventually(lambda: pod_over(slow, run_id), 240, "the end of the run's pod")
        slow.finished(run_id, 120)
        eventually(lambda: "STARTED" not in slow.phases(run_id).values(), AUDIT_SECONDS, "the end of its phases")
        release.upgrade()
        succeeds(release, "2026-01-12")


def test_a_scratch_that_is_full_is_told(release):
    """A run that needs more than its scratch space is evicted, which both say: it is a FAILURE, and its phases end."""
    tight = release.upgrade(f"flows.synthetic={FLOWS}", "runs.scratchSize=8Mi")
    run_id = tight.launch("2026-01-13", NO_RETRY)
    assert tight.finished(run_id, 180)["status"] == "FAILURE"
    eventually(lambda: "STARTED" not in tight.phases(run_id).values(), AUDIT_SECONDS, "the end of its phases")
    assert "Usage of EmptyDir volume" in json.dumps(tight.namespace.get("events"))


def succeeds(release, day):
    """See that a run goes through."""
    assert release.finished(release.launch(day, NO_RETRY), 180)["status"] == "SUCCESS"
