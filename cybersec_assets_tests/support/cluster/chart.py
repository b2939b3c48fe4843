"""The chart, rendered by a real Helm, with each manifest as a dictionary."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cybersec_assets_tests.conftest import CHECKOUT

CHART = CHECKOUT / "helm" / "cybersec-assets"
RELEASE = "flows"
NAMESPACE = "sensors"
FULLNAME = f"{RELEASE}-cybersec-assets"
CONTROLLER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}}
"""The ingress controller's pods, as a NetworkPolicy selects them."""
BACKFILLS = [
    {"key": "dagster/backfill", "limit": 2},
    {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
]
"""At most two concurrent runs of backfills, and one of each day."""
DEMO = {
    "image": {"repository": "registry.example/cybersec-assets"},
    "demo": {"enabled": True, "minio": {"image": "registry.example/minio:1"}},
}
OWN = {
    "image": {"repository": "registry.example/cybersec-assets", "pullSecrets": [{"name": "registry"}]},
    "postgresql": {
        "host": "db.example",
        "port": 6432,
        "sslmode": "verify-full",
        "caSecret": "db-ca",
        "audit": {"existingSecret": "audit-app", "userKey": "username"},
        "migration": {"user": "audit_owner", "existingSecret": "audit-owner", "passwordKey": "pass.word"},
        "dagster": {"existingSecret": "dagster-db"},
    },
    "s3": {
        "endpoint": "https://s3.example:9443",
        "existingSecret": "s3-key",
        "accessKeyKey": "id",
        "caSecret": "s3-ca",
    },
    "audit": {"existingSecret": "audit-key", "trustedKeys": "abc,def"},
    "flows": {
        "uri": "/flows/{date}/conn.*.log.gz",
        "existingClaim": "sensor-logs",
        "s3": {"endpoint": "http://logs.example:9000", "existingSecret": "logs-key"},
    },
    "webserver": {
        "ingress": {
            "enabled": True,
            "className": "traefik",
            "host": "flows.example",
            "annotations": {"cert-manager.io/cluster-issuer": "own"},
            "tlsSecret": "flows-tls",
        },
        "readOnly": {"enabled": True, "ingress": {"enabled": True, "host": "look.flows.example"}},
    },
    "networkPolicy": {"webserverFrom": [CONTROLLER], "readOnlyFrom": [CONTROLLER, {"podSelector": {}}]},
    "runs": {"tagConcurrencyLimits": BACKFILLS},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "flows", "operator": "Exists"}],
}
KUBERNETES = ("--kube-version", "1.30.0")
"""The Kubernetes version of renderings without a cluster. Helm's default depends on its build."""
CLUSTERS_OWN = "authorization.k8s.io/v1/SelfSubjectAccessReview"
"""An API version that only a real cluster reports. Argo CD, which renders without a cluster, passes others."""
KINDS_WITH_PODS = ("Deployment", "StatefulSet", "Job", "CronJob", "Pod")


@dataclass(frozen=True)
class Helm:
    """Helm's program.

    Attributes:
        program: Its path.
        folder: Where the values are written.
    """

    program: Path
    folder: Path

    def template(self, values: dict[str, Any], *options: str, asks_cluster: bool = True) -> subprocess.CompletedProcess:
        """Render the chart without a cluster. By default it is told that there is one."""
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        command = [str(self.program), "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", str(file)]
        known = ("--api-versions", CLUSTERS_OWN if asks_cluster else "v1/Secret")
        return subprocess.run(
            [*command, *KUBERNETES, *known, *options], capture_output=True, text=True, check=False, timeout=60
        )

    def manifests(self, values: dict[str, Any], *options: str) -> list[dict[str, Any]]:
        """Return the rendered manifests."""
        done = self.template(values, *options)
        assert done.returncode == 0, done.stderr
        return [each for each in yaml.safe_load_all(done.stdout) if each]

    def refusal(self, values: dict[str, Any], *options: str, asks_cluster: bool = True) -> str:
        """Return Helm's message about values that it refuses."""
        done = self.template(values, *options, asks_cluster=asks_cluster)
        assert done.returncode != 0, done.stdout
        return done.stderr


def find(manifests: list[dict[str, Any]], kind: str, suffix: str) -> dict[str, Any]:
    """Return the manifest of a kind whose name ends with a suffix."""
    (found,) = (each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == FULLNAME + suffix)
    return found


def pods(manifests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Yield each pod's name, spec and labels, except those of runs."""
    for each in manifests:
        if each["kind"] in KINDS_WITH_PODS:
            template = _template(each)
            yield each["metadata"]["name"], template["spec"], template["metadata"]["labels"]


def dagster_yaml(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the instance's configuration."""
    return yaml.safe_load(find(manifests, "ConfigMap", "-instance")["data"]["dagster.yaml"])


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return values with changes applied."""
    both = base | change
    for name in base.keys() & change.keys():
        if isinstance(base[name], dict) and isinstance(change[name], dict):
            both[name] = merged(base[name], change[name])
    return both


def _template(manifest: dict[str, Any]) -> dict[str, Any]:
    if manifest["kind"] == "Pod":
        return manifest
    job = manifest["spec"].get("jobTemplate", manifest)
    return job["spec"]["template"]
