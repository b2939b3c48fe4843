"""A pod for each step: it is optional, and only the job that needs it may create pods."""

import json

import pytest

from cybersec_assets.definitions import build_definitions
from cybersec_assets_tests.chart.test_manifests import as_kubernetes_reads_it
from cybersec_assets_tests.chart.test_network import may_go
from cybersec_assets_tests.support.cluster.chart import FULLNAME, dagster_yaml, find, merged, pods
from cybersec_assets_tests.support.cluster.pod_security import faults
from cybersec_assets_tests.support.cluster.run_job import launcher_config, run_job

ON = {"runs": {"podPerStep": True}}
ACCOUNT = f"{FULLNAME}-step-pods"


@pytest.fixture
def rendered(helm, values):
    """Return the chart with a pod for each step."""
    return helm.manifests(merged(values, ON))


def rights(manifests, account):
    """Return the rights of an account."""
    roles = [
        binding["roleRef"]["name"]
        for binding in manifests
        if binding["kind"] == "RoleBinding" and account in {each["name"] for each in binding["subjects"]}
    ]
    return {
        (resource, verb)
        for each in manifests
        if each["kind"] == "Role" and each["metadata"]["name"] in roles
        for rule in each["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def requested(make_settings, account=ACCOUNT):
    """Return the configuration that the job requests from the run launcher through its tags."""
    tags = (
        build_definitions(make_settings(cybersec_step_pods_account=account)).resolve_job_def("daily_training_pods").tags
    )
    return json.loads(tags["dagster-k8s/config"])


def pod_of_run(instance, asked):
    """Return the pod spec of a run whose job requests a configuration."""
    return run_job(instance, asked)["spec"]["template"]["spec"]


def test_no_run_may_create_pods_by_default(manifests):
    """There is no such account, runs cannot reach the API server, and tags cannot choose an account."""
    assert not [each for each in manifests if each["metadata"]["name"] == ACCOUNT]
    allowed = launcher_config(dagster_yaml(manifests))["only_allow_user_defined_k8s_config_fields"]["pod_spec_config"]
    assert allowed == {"node_selector": True, "tolerations": True}
    assert "CYBERSEC_STEP_PODS_ACCOUNT" not in str(manifests)


def test_the_account_has_the_rights_that_the_executor_uses(rendered):
    """It may create, read and delete Jobs and their pods, and nothing else."""
    assert rights(rendered, ACCOUNT) == {
        ("jobs", "create"),
        ("jobs", "delete"),
        ("jobs/status", "get"),
        ("pods", "list"),
        ("pods", "delete"),
    }
    assert rights(rendered, f"{FULLNAME}-run") == set()
    for manifest in rendered:
        assert as_kubernetes_reads_it(manifest) == manifest


def test_the_code_location_and_runs_know_the_account(rendered):
    """The code location sets the job's tags, and the run must set the same ones."""
    (server,) = find(rendered, "Deployment", "-code")["spec"]["template"]["spec"]["containers"]
    (run,) = run_job(dagster_yaml(rendered))["spec"]["template"]["spec"]["containers"]
    for container in (server, run):
        assert {"name": "CYBERSEC_STEP_PODS_ACCOUNT", "value": ACCOUNT} in container["env"]


def test_the_jobs_run_gets_account_and_token(rendered, make_settings):
    """The launcher accepts the job's tags, the pod stays restricted, and the account exists."""
    spec = pod_of_run(dagster_yaml(rendered), requested(make_settings))
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == (ACCOUNT, True)
    assert faults(spec) == []
    assert find(rendered, "ServiceAccount", "-step-pods")


def test_other_runs_and_steps_get_no_token(rendered):
    """The pods of other jobs and of steps do not use the job's tags."""
    spec = run_job(dagster_yaml(rendered))["spec"]["template"]["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == (f"{FULLNAME}-run", False)


def test_without_the_value_the_launcher_refuses(manifests, make_settings):
    """Negative control: the same tags in a release without `runs.podPerStep`."""
    with pytest.raises(Exception, match="violated the allowed list: pod_spec_config"):
        pod_of_run(dagster_yaml(manifests), requested(make_settings))


def test_only_that_jobs_pods_reach_the_api_server(rendered):
    """They are selected by Dagster's own label."""
    labels = run_job(dagster_yaml(rendered))["spec"]["template"]["metadata"]["labels"]
    assert not may_go(rendered, labels | {"dagster/job": "daily_training"}, None, 6443)
    assert may_go(rendered, labels | {"dagster/job": "daily_training_pods"}, None, 6443)
    assert len(list(pods(rendered))) >= 7
