"""Optional parts of a release: the metrics exporter, the read-only web server, and a pod for each step."""

import json
import urllib.request
from dataclasses import replace

import pytest

from cybersec_assets_tests.support.cluster.chart import FULLNAME
from cybersec_assets_tests.support.cluster.cluster import eventually
from cybersec_assets_tests.support.cluster.release import LAUNCH
from cybersec_assets_tests.support.servers.servers import HOST

DAY = "2026-01-10"
SETTINGS = ("metrics.enabled=true", "runs.podPerStep=true", "webserver.readOnly.enabled=true")
JOB = "dagster/job=daily_training_pods"
GOLD = 'asset="gold/isolation_forest"'


@pytest.fixture(scope="module")
def full(installed):
    """Return a release with all optional parts."""
    release, _ = installed
    return release.upgrade(*SETTINGS)


@pytest.fixture(scope="module")
def heavy(full):
    """Launch a run with a pod for each step and wait for its end."""
    run_id = full.launch(DAY, job="daily_training_pods")
    return run_id, full.finished(run_id, 400)


def test_each_step_has_a_pod(full, heavy, measured):
    """Only the run's own pod has a token."""
    run_id, run = heavy
    assert run["status"] == "SUCCESS", run
    assert set(full.phases(run_id).values()) == {"SUCCESS"}
    pods = full.namespace.get("pods", "-l", JOB)
    steps = [pod["spec"] for pod in pods if pod["metadata"]["name"].startswith("dagster-step-")]
    assert len(steps) >= 4
    assert {spec["serviceAccountName"] for spec in steps} == {f"{FULLNAME}-run"}
    assert {spec["automountServiceAccountToken"] for spec in steps} == {False}
    measured(f"a pod for each step: {run['endTime'] - run['startTime']:.0f} s with {len(steps)} pods")


def test_the_account_of_a_run_with_step_pods(full):
    """It may create Jobs and may not read Secrets. The account of other runs may do neither."""

    def may(account, *what):
        user = f"--as=system:serviceaccount:{full.namespace.name}:{FULLNAME}-{account}"
        asked = ("kubectl", "--namespace", full.namespace.name, "auth", "can-i", *what, user)
        return full.namespace.cluster.attempt(*asked).stdout.strip() == "yes"

    assert may("step-pods", "create", "jobs")
    assert not may("step-pods", "get", "secrets")
    assert not may("run", "create", "jobs")
    assert not may("webserver-readonly", "list", "pods")


def test_logs_are_json_with_the_runs_id(full, heavy):
    """Each line of a run's pods is JSON with the run's id. The lines of the other pods are JSON, too."""
    run_id, _ = heavy
    lines = full.namespace.kubectl("logs", "-l", JOB, "--tail=-1").splitlines()
    assert {json.loads(line).get("run_id") for line in lines} == {run_id}
    for component in ("webserver", "daemon", "code"):
        said = full.namespace.kubectl("logs", f"deployment/{FULLNAME}-{component}", "-c", component).splitlines()
        assert all(json.loads(line)["message"] for line in said)


def test_the_read_only_web_server_shows_runs_and_refuses_to_launch_one(full):
    looking = replace(full, webserver="webserver-readonly")
    assert eventually(looking.sees_code, 60, "the code location")
    assert len(looking.runs()) == len(full.runs())
    selector = {"repositoryLocationName": "cybersec_assets", "repositoryName": "__repository__"}
    params = {"selector": selector | {"pipelineName": "daily_training"}, "mode": "default"}
    assert looking.ask(LAUNCH, params=params)["launchRun"]["__typename"] == "UnauthorizedError"


@pytest.mark.usefixtures("heavy")
def test_prometheus_gets_the_audits_metrics(full):
    """A scrape through the Service reports that the audit answers, and when the model was made."""

    def scrape():
        with full.namespace.forward(f"{FULLNAME}-metrics", 9464) as port:
            return urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=30).read().decode()

    text = scrape()
    assert "cybersec_audit_up 1.0" in text
    assert f"cybersec_last_success_timestamp_seconds{{{GOLD}}}" in text
    full.namespace.kubectl("scale", f"statefulset/{FULLNAME}-postgresql", "--replicas=0")
    try:
        eventually(lambda: "cybersec_audit_up 0.0" in scrape(), 60, "the exporter to see that the audit is away")
    finally:
        full.namespace.kubectl("scale", f"statefulset/{FULLNAME}-postgresql", "--replicas=1")
        full.namespace.kubectl("rollout", "status", f"statefulset/{FULLNAME}-postgresql", "--timeout=120s")
