"""The files in helm/values: one for this chart, one for Dagster's own.

Dagster's official chart is no dependency, so its templates are not run here. The names of its values are noted from its
schema: https://github.com/dagster-io/dagster/tree/master/helm/dagster/schema, of version 1.13.
"""

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ListRepositoriesResponse
from dagster._serdes import deserialize_value

from cybersec_assets.settings import Settings, secret_variables
from cybersec_assets_tests.support.cluster.chart import CHART, OWN, find, merged
from cybersec_assets_tests.support.cluster.pod_security import faults
from cybersec_assets_tests.support.cluster.programs import program
from cybersec_assets_tests.support.servers.servers import HOST, free_port, wait_until

FILES = CHART.parent / "values"
OTHER_PODS_SECRETS = {"PG_MIGRATION_PASSWORD", "DAGSTER_PG_PASSWORD"}
"""The secrets that the code location does not need."""
SUBCHART = {"enabled", "enableSubchart", "imagePullSecrets", "deployments"}
DEPLOYMENT = {
    *("name", "image", "dagsterApiGrpcArgs", "codeServerArgs", "includeConfigInLaunchedRuns", "deploymentNamespace"),
    *("port", "env", "envConfigMaps", "envSecrets", "annotations", "nodeSelector", "affinity", "tolerations"),
    *("podSecurityContext", "securityContext", "resources", "livenessProbe", "readinessProbe", "startupProbe"),
    *("labels", "volumeMounts", "volumes", "schedulerName"),
}
NEEDED = {"name", "image", "port"}


@pytest.fixture
def official():
    """Return the values for Dagster's official chart."""
    return yaml.safe_load((FILES / "dagster-official.yaml").read_text())


@pytest.fixture
def deployment(official):
    """Return the code location in them."""
    (found,) = official["dagster-user-deployments"]["deployments"]
    return found


def test_bitnamis_postgresql_is_used_unchanged(helm):
    """Host, databases, roles and the keys of both Secrets reach the setup. Only the setup gets the superuser."""
    own = {name: value for name, value in OWN.items() if name not in ("postgresql", "runs")}
    values = merged(own, yaml.safe_load((FILES / "postgresql-bitnami.yaml").read_text()))
    manifests = helm.manifests(values)
    (setup,) = find(manifests, "Job", "-setup-1")["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each.get("value") for each in setup["env"]}
    assert given["PG_HOST"] == "mlops-postgresql.mlops.svc.cluster.local"
    assert (given["PG_PORT"], given["PG_DATABASE"], given["DAGSTER_PG_DATABASE"]) == ("5432", "mlops_db", "dagster")
    assert (given["PG_MIGRATION_USER"], given["PG_USER"], given["DAGSTER_PG_USER"]) == (
        "postgres",
        "cybersec_app",
        "dagster",
    )
    keys = {
        each["name"]: tuple(each["valueFrom"]["secretKeyRef"].values()) for each in setup["env"] if "valueFrom" in each
    }
    assert keys["PG_MIGRATION_PASSWORD"] == ("mlops-postgresql", "postgres-password")
    assert keys["PG_PASSWORD"] == ("cybersec-postgresql", "audit-password")
    assert keys["DAGSTER_PG_PASSWORD"] == ("cybersec-postgresql", "dagster-password")
    others = [each for each in manifests if not each["metadata"]["name"].endswith(("-setup-1", "-reach"))]
    assert "'mlops-postgresql'" not in str(others)


def test_the_values_are_in_the_official_charts_schema(official, deployment):
    """Every name is in the official chart's schema, and the required ones are present."""
    assert official.keys() == {"dagsterWebserver", "dagster-user-deployments", "runLauncher"}
    assert official["runLauncher"] == {"type": "K8sRunLauncher"}
    assert official["dagster-user-deployments"].keys() <= SUBCHART
    assert NEEDED <= deployment.keys() <= DEPLOYMENT
    assert deployment["image"].keys() == {"repository", "tag", "pullPolicy"}
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": True}
    assert all(isinstance(value, str) for value in deployment["env"].values())


def test_the_official_charts_workspace_has_the_code_locations_name(official, deployment):
    """The workspace uses the same name as all other ways to open the code location."""
    workspace = official["dagsterWebserver"]["workspace"]
    server = {"host": deployment["name"], "port": deployment["port"], "name": "cybersec_assets"}
    assert workspace == {"enabled": True, "servers": [server]}


def test_its_variables_are_those_that_the_code_reads(deployment):
    """Each variable is a setting, each key of the Secret is a secret, and none is both."""
    groups = (field.annotation for field in Settings.model_fields.values())
    settings = {field.validation_alias for group in groups for field in group.model_fields.values()}
    assert deployment["env"].keys() <= settings
    (secret,) = deployment["envSecrets"]
    assert f"generic {secret['name']} " in (FILES / "dagster-official.yaml").read_text()
    secrets = {name for name in secret_variables() if not name.startswith("FLOWS_")} | {"MINIO_ACCESS_KEY"}
    assert secret_keys() == secrets - OTHER_PODS_SECRETS
    assert not deployment["env"].keys() & secret_keys()


def test_its_pod_is_restricted(deployment):
    """The scratch folder is the one mounted volume."""
    container = {"name": "code", "securityContext": deployment["securityContext"]}
    spec = {"securityContext": deployment["podSecurityContext"], "volumes": deployment["volumes"]}
    assert faults(spec | {"containers": [container]}) == []
    (mount,) = deployment["volumeMounts"]
    assert mount["mountPath"] == deployment["env"]["CYBERSEC_SCRATCH"]


def test_the_chart_has_the_version_of_the_locked_dagster():
    """The version in the file is that of Dagster in the lock."""
    named = re.search(r"--version (\S+)", (FILES / "dagster-official.yaml").read_text())
    locked = re.search(r"^dagster==(\S+)", (CHART.parents[1] / "requirements.lock").read_text(), re.MULTILINE)
    assert named
    assert locked
    assert named[1] == locked[1]


def test_its_arguments_start_a_code_server(deployment, tmp_path):
    """`dagster api grpc` with these variables and arguments serves the project."""
    port = free_port()
    log = tmp_path / "log"
    command = ["dagster", "api", "grpc", "-h", HOST, "-p", str(port), *deployment["dagsterApiGrpcArgs"]]
    made_up = {name: base64.b64encode(bytes(32)).decode() for name in secret_keys()}
    with program(command, deployment["env"] | made_up, log):
        wait_until(lambda: is_healthy(port), "the code server")
        answer = deserialize_value(
            DagsterGrpcClient(host=HOST, port=port).list_repositories(), ListRepositoriesResponse
        )
    (repository,) = answer.repository_symbols
    assert repository.repository_name == "__repository__"


def secret_keys():
    """Return the keys with which the file says to create the Secret."""
    return set(re.findall(r"--from-literal=(\w+)=", (FILES / "dagster-official.yaml").read_text()))


def is_healthy(port):
    """Run the probe of the official chart."""
    command = [Path(sys.executable).parent / "dagster", "api", "grpc-health-check", "-p", str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
