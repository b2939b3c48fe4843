"""Stores of a company that accept TLS only: the chart's bundled stores under another name, with certificates."""

import json
from typing import Any

import yaml

from cybersec_assets_tests.support.cluster.authority import Authority
from cybersec_assets_tests.support.cluster.chart import CHART, CLUSTERS_OWN, KUBERNETES
from cybersec_assets_tests.support.cluster.cluster import Namespace

NAME = "company"
HOSTS = {store: f"{NAME}-cybersec-assets-{store}" for store in ("postgresql", "minio")}
PASSWORDS = {
    "migration-password": "an owner's password",
    "s3-access-key": "company-key",
    "s3-secret-key": "a secret of the company's",
}
ARGUMENTS = {
    "postgresql": ["-c", "ssl=on", "-c", "ssl_cert_file=/tls/public.crt", "-c", "ssl_key_file=/tls/private.key"],
    "minio": ["server", "/data", "--certs-dir", "/tls"],
}


def start(place: Namespace, authority: Authority, settings: tuple[str, ...]) -> None:
    """Start both stores and wait until they are ready.

    Args:
        place: The namespace.
        authority: Signs their certificate.
        settings: The values of a demo on this cluster.
    """
    certificate, key = authority.sign(*HOSTS.values())
    make_secret(place, f"{NAME}-cybersec-assets-generated", PASSWORDS)
    make_secret(place, "tls", {"public.crt": certificate, "private.key": key})
    shown = [part for store in HOSTS for part in ("--show-only", f"templates/demo-{store}.yaml")]
    given = [part for setting in settings for part in ("--set", setting)]
    command = (
        "helm",
        "template",
        NAME,
        str(CHART),
        "--namespace",
        place.name,
        *KUBERNETES,
        "--api-versions",
        CLUSTERS_OWN,
    )
    for manifest in yaml.safe_load_all(place.cluster.call(*command, *shown, *given)):
        if manifest["kind"] == "StatefulSet":
            _add_tls(manifest)
        place.kubectl("apply", "-f", "-", given=json.dumps(manifest))
    for host in HOSTS.values():
        place.kubectl("rollout", "status", f"statefulset/{host}", "--timeout=120s")


def make_secret(place: Namespace, name: str, data: dict[str, str]) -> None:
    """Create a Secret, or replace the one of that name."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
    place.kubectl("delete", "secret", name, "--ignore-not-found")
    place.kubectl("create", "-f", "-", given=json.dumps(secret))


def _add_tls(manifest: dict[str, Any]) -> None:
    spec = manifest["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    container["args"] = ARGUMENTS[container["name"]]
    container["volumeMounts"].append({"name": "tls", "mountPath": "/tls"})
    # PostgreSQL refuses a key file that other users may read.
    spec["volumes"].append({"name": "tls", "secret": {"secretName": "tls", "defaultMode": 0o440}})
    if "httpGet" in container["readinessProbe"]:
        container["readinessProbe"]["httpGet"]["scheme"] = "HTTPS"
