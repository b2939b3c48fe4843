"""The API server accepts the rendered chart: it knows every field, and every pod is restricted."""

import json

from cybersec_assets_tests.support.cluster.chart import NAMESPACE, find
from cybersec_assets_tests.support.cluster.cluster import namespace

COMMAND = ("kubectl", "apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-")


def sent(cluster, manifests):
    """Validate manifests on the API server, in their namespace."""
    accounts = [each for each in manifests if each["kind"] == "ServiceAccount"]
    with namespace(cluster, NAMESPACE) as own:
        # A pod is refused if its service account does not exist.
        own.kubectl("apply", "-f", "-", given=listed(accounts))
        return cluster.attempt(*COMMAND, given=listed(manifests))


def listed(manifests):
    """Return manifests as one list."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})


def test_the_api_server_accepts_every_manifest(cluster, manifests):
    """Validation is strict, and warnings count as errors, including those of Pod Security."""
    done = sent(cluster, manifests)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" (server dry run)") == len(manifests)


def test_the_api_server_refuses_an_unknown_field(cluster, manifests):
    """Negative control: it refuses an unknown field and warns about a pod that is not restricted."""
    deployment = find(manifests, "Deployment", "-daemon")
    deployment["spec"]["replica"] = 1
    assert 'unknown field "replica"' in sent(cluster, manifests).stderr
    del deployment["spec"]["replica"]
    del deployment["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"]
    assert "would violate PodSecurity" in sent(cluster, manifests).stderr
