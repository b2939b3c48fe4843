"""Volumes that are full: the run fails, says which it was, and the next one goes through."""

import json

import pytest

from cybersec_assets_tests.support.cluster.cluster import eventually, namespace
from cybersec_assets_tests.support.cluster.release import Release
from cybersec_assets_tests.support.cluster.slow_runs import AUDIT_SECONDS, FLOWS, NO_RETRY, in_training, pod_over
from cybersec_assets_tests.support.cluster.volumes import filled, small_disk


@pytest.fixture(scope="module")
def small(cluster, settings):
    """A release of its own, whose stores hold next to nothing."""
    with namespace(cluster, "cybersec-test-volumes") as own:
        yield Release(own, settings).upgrade()


def test_an_object_store_that_is_full_is_told(small):
    """A run that has no room for its objects is a FAILURE that says so, with a FAILED row; the next one succeeds."""
    with small_disk(small, "minio") as disk:
        with filled(disk):
            run_id = small.launch("2026-01-11", NO_RETRY)
            run = small.finished(run_id, 180)
        assert run["status"] == "FAILURE"
        assert small.phases(run_id) == {"raw/network_events": "FAILED"}
        assert "XMinioStorageFull" in json.dumps(run["eventConnection"]["events"])
        succeeds(small, "2026-01-11")


def test_a_database_that_is_full_leaves_no_half(small):
    """A run whose audit has no room comes to an end; with room again its phases do, too, and the next one succeeds."""
    small.upgrade(f"flows.synthetic={FLOWS}")
    with small_disk(small, "postgresql") as disk:
        run_id = small.launch("2026-01-12", NO_RETRY)
        in_training(small, run_id)
        with filled(disk):
            eventually(lambda: pod_over(small, run_id), 240, "the end of the run's pod")
        assert small.finished(run_id, 120)["status"] == "FAILURE"
        ended(small, run_id)
        succeeds(small, "2026-01-12")


def ended(release, run_id):
    """See that what a run began and did not end is closed."""
    eventually(lambda: "STARTED" not in release.phases(run_id).values(), AUDIT_SECONDS, "the end of its phases")
    assert set(release.phases(run_id).values()) & {"ABANDONED", "FAILED"}


def succeeds(release, day):
    """See that a run goes through."""
    assert release.finished(release.launch(day, NO_RETRY), 180)["status"] == "SUCCESS"
