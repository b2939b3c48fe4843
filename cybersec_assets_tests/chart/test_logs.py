"""The pods whose logs are JSON: those that stay, and those of runs."""

import pytest

from cybersec_assets_tests.support.cluster.chart import dagster_yaml, find, merged
from cybersec_assets_tests.support.cluster.run_job import run_job

JSON = ["python", "-m", "cybersec_assets.operations.json_logging"]


@pytest.mark.parametrize("suffix", ["-webserver", "-daemon", "-code", "-metrics"])
def test_long_running_programs_write_json(helm, values, suffix):
    """The container's command makes the logs JSON, and its arguments are the program's command line."""
    manifests = helm.manifests(merged(values, {"metrics": {"enabled": True}}))
    (container,) = find(manifests, "Deployment", suffix)["spec"]["template"]["spec"]["containers"]
    assert container["command"] == JSON
    assert container["args"][0] in {"dagster-webserver", "dagster-daemon", "dagster", "cybersec"}


def test_runs_write_json(manifests):
    """The run launcher keeps the command and adds the run's arguments."""
    (container,) = run_job(dagster_yaml(manifests))["spec"]["template"]["spec"]["containers"]
    assert container["command"] == JSON
    assert container["args"][:3] == ["dagster", "api", "execute_run"]
