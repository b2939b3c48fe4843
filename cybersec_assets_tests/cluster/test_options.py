"""What a release may have besides: an exporter for Prometheus, a web server that only shows, a pod for each step."""

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
    """The release with all of them."""
    release, _ = installed
    return release.upgrade(*SETTINGS)


@pytest.fixture(scope="module")
def heavy(full):
    """A run of the job with a pod for each step, from its launch to its end."""
    run_id = full.launch(DAY, job="daily_training_pods")
    return run_id, full.finished(run_id, 400)


def test_each_step_has_a_pod(full, heavy, measured):
    """The run succeeds, each of its steps in a pod of its own that has no token; its own pod alone has one."""
    run_id, run = heavy
    assert run["status"] == "SUCCESS", run
    assert set(full.phases(run_id).values()) == {"SUCCESS"}
    pods = full.namespace.get("pods", "-l", JOB)
    steps = [pod["spec"] for pod in pods if pod["metadata"]["name"].startswith("dagster-step-")]
    assert len(steps) >= 4
    assert {spec["serviceAccountName"] for spec in steps} == {f"{FULLNAME}-run"}
    assert {spec["automountServiceAccountToken"] for spec in steps} == {False}
    measured(f"a pod for each step: {run['endTime'] - run['startTime']:.0f} s with {len(steps)} pods")


def test_its_account_may_make_jobs_and_little_else(full):
    """The account of such a run may make Jobs, and read no Secret; that of other runs may do neither."""

    def may(account, *what):
        user = f"--as=system:serviceaccount:{full.namespace.name}:{FULLNAME}-{account}"
        asked = ("kubectl", "--namespace", full.namespace.name, "auth", "can-i", *what, user)
        return full.namespace.cluster.attempt(*asked).stdout.strip() == "yes"

    assert may("step-pods", "create", "jobs")
    assert not may("step-pods", "get", "secrets")
    assert not may("run", "create", "jobs")
    assert not may("webserver-readonly", "list", "pods")


def test_logs_are_json_with_the_runs_id(full, heavy):
    """Each line of a run's pods is JSON, and names the run; so is each line of the pods that stay."""
    run_id, _ = heavy
    lines = full.namespace.kubectl("logs", "-l", JOB, "--tail=-1").splitlines()
    assert {json.loads(line).get("run_id") for line in lines} == {run_id}
    for component in ("webserver", "daemon", "code"):
        said = full.namespace.kubectl("logs", f"deployment/{FULLNAME}-{component}", "-c", component).splitlines()
        assert all(json.loads(line)["message"] for line in said)


def test_who_only_looks_launches_nothing(full):
    """The second web server shows the runs, and refuses to launch one."""
    looking = replace(full, webserver="webserver-readonly")
    assert eventually(looking.sees_code, 60, "the code location")
    assert len(looking.runs()) == len(full.runs())
    selector = {"repositoryLocationName": "cybersec_assets", "repositoryName": "__repository__"}
    params = {"selector": selector | {"pipelineName": "daily_training"}, "mode": "default"}
    assert looking.ask(LAUNCH, params=params)["launchRun"]["__typename"] == "UnauthorizedError"


@pytest.mark.usefixtures("heavy")
def test_prometheus_gets_the_audits_figures(full):
    """A scrape through the Service tells that the audit answers, and when the model was made."""

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
