"""Every manifest of the chart is valid and restricted, and has the least rights."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import kubernetes
import yaml

from cybersec_assets_tests.support.cluster.chart import (
    CHART,
    DEMO,
    FULLNAME,
    KUBERNETES,
    NAMESPACE,
    OWN,
    dagster_yaml,
    find,
    merged,
    pods,
)
from cybersec_assets_tests.support.cluster.pod_security import faults
from cybersec_assets_tests.support.cluster.run_job import run_job

ROLES = {
    f"{FULLNAME}-webserver": {("jobs", "delete"), ("pods", "list"), ("pods", "delete")},
    f"{FULLNAME}-daemon": {
        ("jobs", "create"),
        ("jobs", "list"),
        ("jobs", "delete"),
        ("jobs/status", "get"),
        ("pods", "list"),
        ("pods", "delete"),
        ("pods/log", "get"),
        ("events", "list"),
    },
    f"{FULLNAME}-clear": {("jobs", "deletecollection")},
}


def as_kubernetes_reads_it(manifest):
    """Return a manifest after a round trip through the Kubernetes client's model of its kind."""
    client = kubernetes.client.ApiClient()
    answer = SimpleNamespace(data=json.dumps(manifest))
    return client.sanitize_for_serialization(client.deserialize(answer, f"V1{manifest['kind']}"))


def test_kubernetes_knows_every_field(manifests):
    """Every manifest is in the release's namespace."""
    assert len(manifests) > 20
    for manifest in manifests:
        assert as_kubernetes_reads_it(manifest) == manifest
        assert manifest["metadata"]["namespace"] == NAMESPACE


def test_an_unknown_field_is_detected(manifests):
    """Negative control of the test above."""
    daemon = find(manifests, "Deployment", "-daemon")
    daemon["spec"]["template"]["spec"]["initContainer"] = []
    assert as_kubernetes_reads_it(daemon) != daemon


def test_all_pods_are_restricted(manifests):
    """Each pod meets Pod Security "restricted" and has a read-only root file system."""
    found = {name: faults(spec) for name, spec, _ in pods(manifests)}
    assert len(found) >= 7
    assert not any(found.values()), found


def test_only_pods_that_need_a_token_get_one(manifests):
    """Only the web server, the daemon and the uninstall job have a token and a role."""
    with_token = {name for name, spec, _ in pods(manifests) if spec.get("automountServiceAccountToken") is not False}
    assert with_token == ROLES.keys()
    bound = {each["subjects"][0]["name"] for each in manifests if each["kind"] == "RoleBinding"}
    assert bound == with_token


def test_the_roles_are_least(manifests):
    """The roles have the rights that the launcher uses. There is no wildcard and no cluster role."""
    roles = {
        each["metadata"]["name"]: {
            (resource, verb) for rule in each["rules"] for resource in rule["resources"] for verb in rule["verbs"]
        }
        for each in manifests
        if each["kind"] == "Role"
    }
    assert roles == ROLES
    assert not [each for each in manifests if each["kind"].startswith("ClusterRole")]


def test_there_is_never_a_second_daemon(manifests):
    """There is one replica, and the old pod ends before the new one starts."""
    spec = find(manifests, "Deployment", "-daemon")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_a_web_server_never_meets_two_revisions_of_the_code(manifests):
    """The old pod ends before the new one starts. Otherwise the web server could keep the old definitions."""
    assert find(manifests, "Deployment", "-code")["spec"]["strategy"] == {"type": "Recreate"}


def test_the_code_location_is_probed_by_grpc(manifests):
    """The probes are gRPC health checks, which start no process."""
    (container,) = find(manifests, "Deployment", "-code")["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"] == {"port": 3030, "service": "DagsterApi"}


def test_pods_wait_for_the_setup(manifests):
    """Every pod that opens the stores waits, except those that run before the setup and the test that runs later."""
    waiting = {name for name, spec, _ in pods(manifests) if "wait-for-setup" in str(spec.get("initContainers"))}
    own = {name for name, spec, _ in pods(manifests) if "cybersec-assets:" in spec["containers"][0]["image"]}
    others = {f"{FULLNAME}-{name}" for name in ("setup-1", "test-stores", "clear")}
    assert own - waiting - {f"{FULLNAME}-reach"} == others


def test_external_stores_are_checked_before_the_install(helm):
    """A hook connects to them and needs nothing of the release. Helm shows its output. Bundled stores have no hook."""
    job = find(helm.manifests(OWN), "Job", "-reach")
    assert job["metadata"]["annotations"] == {
        "helm.sh/hook": "pre-install,pre-upgrade",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded,hook-failed",
        "helm.sh/hook-output-log-policy": "hook-failed",
    }
    spec = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in spec
    assert [each["configMap"]["optional"] for each in spec["volumes"] if "configMap" in each] == [True]
    off = merged(OWN, {"jobs": {"reachFirst": False}})
    for values in (DEMO, off):
        assert not [each for each in helm.manifests(values) if each["metadata"]["name"].endswith("-reach")]


def test_the_uninstall_ends_with_the_runs(manifests):
    """The hook that deletes the runs' Jobs runs last, needs nothing that is already deleted, and leaves nothing."""
    job = find(manifests, "Job", "-clear")
    hooks = [each for each in manifests if each["metadata"].get("annotations", {}).get("helm.sh/hook") == "post-delete"]
    assert {each["kind"] for each in hooks} == {"Job", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"}
    for each in hooks:
        policies = each["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
        assert set(policies) == {"before-hook-creation", "hook-succeeded", "hook-failed"}
        assert int(each["metadata"]["annotations"].get("helm.sh/hook-weight", 0)) == -(each is not job)
    spec = job["spec"]["template"]["spec"]
    assert "volumes" not in spec
    assert "env" not in spec["containers"][0]
    run = run_job(dagster_yaml(manifests))["metadata"]["labels"]
    (asked,) = re.findall(r'label_selector="(.*)"', spec["containers"][0]["args"][-1])
    selector = dict(each.split("=") for each in asked.split(","))
    assert selector.items() <= run.items()
    assert selector.keys() == {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")}


def test_only_the_setup_has_the_owners_password(manifests):
    """Only the setup, the hook and the bundled server have the password of the migration role."""
    knowing = {
        name
        for name, spec, _ in pods(manifests)
        if any(word in str(spec) for word in ("migration-password", "audit-owner"))
    }
    assert knowing <= {f"{FULLNAME}-setup-1", f"{FULLNAME}-reach", f"{FULLNAME}-postgresql"}
    assert f"{FULLNAME}-setup-1" in knowing


def test_pruning_has_no_password_of_the_audit(helm, manifests):
    """It opens only Dagster's database, keeps runs as long as the values say, and is optional."""
    job = find(manifests, "CronJob", "-prune")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = job["containers"]
    assert container["args"] == ["cybersec", "stores", "prune", "--days", "180"]
    names = {each["name"] for each in container["env"]}
    assert "DAGSTER_PG_PASSWORD" in names
    assert not names & {"PG_PASSWORD", "PG_MIGRATION_PASSWORD", "AUDIT_SIGNING_KEY", "MINIO_SECRET_KEY"}
    without = helm.manifests(merged(OWN, {"prune": {"enabled": False}}))
    assert not [each for each in without if each["metadata"]["name"].endswith("-prune")]


def test_no_variable_is_set_twice(manifests):
    """A variable that refers to another comes after it."""
    for name, spec, _ in pods(manifests):
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            variables = [each["name"] for each in container.get("env", [])]
            assert len(variables) == len(set(variables)), name
            if "PGPASSWORD" in variables:
                assert variables.index("DAGSTER_PG_PASSWORD") < variables.index("PGPASSWORD")


def test_external_stores_replace_the_bundled_ones(helm):
    """With its own stores and signing key the release has no store and no Secret."""
    kinds = {each["kind"] for each in helm.manifests(OWN)}
    assert not kinds & {"StatefulSet", "Secret", "PersistentVolumeClaim"}


def test_an_upgrade_changes_nothing_but_the_setups_name(helm):
    """The same values render the same manifests."""
    assert helm.manifests(OWN) == helm.manifests(OWN)
    assert helm.manifests(OWN, "--is-upgrade") == helm.manifests(OWN)


def test_a_change_of_the_instance_restarts_its_pods(helm):
    """Pods that mount `dagster.yaml` restart when it changes, and not when another value does."""

    def checksums(values):
        deployments = [each for each in helm.manifests(values) if each["kind"] == "Deployment"]
        return {each["spec"]["template"]["metadata"]["annotations"]["checksum/instance"] for each in deployments}

    (before,) = checksums(OWN)
    assert checksums(merged(OWN, {"runs": {"maxConcurrent": 9}})) != {before}
    assert checksums(merged(OWN, {"webserver": {"service": {"port": 8080}}})) == {before}


def test_helm_lint_passes(helm):
    file = helm.folder / "values.yaml"
    file.write_text(yaml.safe_dump(OWN))
    command = [helm.program, "lint", "--strict", CHART, "--values", file, *KUBERNETES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_readme_has_every_value():
    """The table in the chart's README is the one that its script writes."""
    done = subprocess.run(
        [sys.executable, "-c", "import values_table as v; print(v.table())"],
        cwd=CHART.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in (CHART / "README.md").read_text()
