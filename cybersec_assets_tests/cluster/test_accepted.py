"""What the chart renders, as a real API server takes it: every field known, every value valid, every pod restricted."""

import json

from cybersec_assets_tests.support.cluster.chart import NAMESPACE, find
from cybersec_assets_tests.support.cluster.cluster import namespace

COMMAND = ("kubectl", "apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-")


def sent(cluster, manifests):
    """Have the API server check manifests, in the namespace that they are for."""
    accounts = [each for each in manifests if each["kind"] == "ServiceAccount"]
    with namespace(cluster, NAMESPACE) as own:
        # A pod is refused where its account is not there.
        own.kubectl("apply", "-f", "-", given=listed(accounts))
        return cluster.attempt(*COMMAND, given=listed(manifests))


def listed(manifests):
    """Give manifests as one."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})


def test_the_api_server_takes_every_manifest(cluster, manifests):
    """Strictly validated on the server's side, with warnings as errors, as those of Pod Security."""
    done = sent(cluster, manifests)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" (server dry run)") == len(manifests)


def test_the_api_server_refuses_what_it_does_not_know(cluster, manifests):
    """The same way refuses a field that is not there, and warns of a pod that is not restricted."""
    deployment = find(manifests, "Deployment", "-daemon")
    deployment["spec"]["replica"] = 1
    assert 'unknown field "replica"' in sent(cluster, manifests).stderr
    del deployment["spec"]["replica"]
    del deployment["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"]
    assert "would violate PodSecurity" in sent(cluster, manifests).stderr
