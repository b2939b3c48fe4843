"""Full volumes: the run fails and names the volume, and the next run succeeds."""

import json

import pytest

from cybersec_assets_tests.support.cluster.cluster import eventually, namespace
from cybersec_assets_tests.support.cluster.release import Release
from cybersec_assets_tests.support.cluster.slow_runs import AUDIT_SECONDS, FLOWS, NO_RETRY, in_training, pod_over
from cybersec_assets_tests.support.cluster.volumes import filled, small_disk


@pytest.fixture(scope="module")
def small(cluster, settings):
    """Return a release with very small stores."""
    with namespace(cluster, "cybersec-test-volumes") as own:
        yield Release(own, settings).upgrade()


def test_a_full_object_store(small):
    """The run fails with a FAILED row that gives the reason."""
    with small_disk(small, "minio") as disk:
        with filled(disk):
            run_id = small.launch("2026-01-11", NO_RETRY)
            run = small.finished(run_id, 180)
        assert run["status"] == "FAILURE"
        assert small.phases(run_id) == {"raw/network_events": "FAILED"}
        assert "XMinioStorageFull" in json.dumps(run["eventConnection"]["events"])
        succeeds(small, "2026-01-11")


def test_a_full_database(small):
    """The run ends. Once there is room, its phases end, too, and the next run succeeds."""
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
    """Check that every phase of a run has an end."""
    eventually(lambda: "STARTED" not in release.phases(run_id).values(), AUDIT_SECONDS, "the end of its phases")
    assert set(release.phases(run_id).values()) & {"ABANDONED", "FAILED"}


def succeeds(release, day):
    """Check that a run succeeds."""
    assert release.finished(release.launch(day, NO_RETRY), 180)["status"] == "SUCCESS"
