"""Runs whose pods do not start: each is a FAILURE that says why, and does no harm where its pod starts after all."""

import json

import pytest

from cybersec_assets_tests.k8s.chart import FULLNAME
from cybersec_assets_tests.k8s.cluster import eventually
from cybersec_assets_tests.k8s.slow_runs import NO_RETRY, START_TIMEOUT, WITHOUT_A_NODE, let_start, pod_over

pytestmark = pytest.mark.k8s
MISSING = "localhost/cybersec-nothing:1"


@pytest.fixture(scope="module")
def stuck(slow, image):
    """A run that no node takes and one whose image has gone, from their launch to their end."""
    late = slow.launch("2026-01-05", WITHOUT_A_NODE)
    try:
        launch_with(slow, MISSING)
        lost = slow.launch("2026-01-09", NO_RETRY)
        return {run_id: slow.finished(run_id, START_TIMEOUT + 90) for run_id in (late, lost)}
    finally:
        launch_with(slow, image)


def launch_with(release, image):
    """Have the code location name an image for its runs; the web server is the one who reads it there."""
    code, webserver = (f"deployment/{FULLNAME}-{name}" for name in ("code", "webserver"))
    release.namespace.kubectl("set", "env", code, f"DAGSTER_CURRENT_IMAGE={image}")
    release.namespace.kubectl("rollout", "status", code, "--timeout=120s")
    release.namespace.kubectl("rollout", "restart", webserver)
    release.namespace.kubectl("rollout", "status", webserver, "--timeout=120s")


def test_an_image_that_does_not_exist_ends_the_run(slow, stuck):
    """A run whose image has gone is a FAILURE that names the image, and leaves no row in the audit."""
    _, (run_id, run) = stuck.items()
    assert run["status"] == "FAILURE"
    assert MISSING in json.dumps(run["eventConnection"]["events"])
    assert slow.phases(run_id) == {}


def test_a_pod_that_starts_too_late_does_nothing(slow, stuck):
    """A run whose pod cannot start is a FAILURE that says so; when the pod starts after all, it leaves nothing."""
    (run_id, run), _ = stuck.items()
    assert run["status"] == "FAILURE"
    said = " ".join(event.get("message", "") for event in run["eventConnection"]["events"])
    assert f"longer than {START_TIMEOUT} seconds to start" in said
    let_start(slow, late=True)
    try:
        eventually(lambda: pod_over(slow, run_id), 120, "the late pod's end")
    finally:
        let_start(slow, late=False)
    assert slow.phases(run_id) == {}
    assert slow.run(run_id)["status"] == "FAILURE"
