"""The web servers: one that launches and ends runs, a read-only one, and their Ingresses."""

import json
import urllib.request
from contextlib import contextmanager

import pytest
import yaml

from cybersec_assets_tests.support.cluster.chart import DEMO, FULLNAME, OWN, dagster_yaml, find, merged, pods
from cybersec_assets_tests.support.cluster.programs import program
from cybersec_assets_tests.support.servers.servers import HOST, free_port, wait_until

READ_ONLY = merged(DEMO, {"webserver": {"readOnly": {"enabled": True}}})
BOTH = ("-webserver", "-webserver-readonly")
DELETE = '{"query": "mutation { deletePipelineRun(runId: \\"none\\") { __typename } }"}'
ALLOWED = "RunNotFoundError"
REFUSED = "UnauthorizedError"


def server(manifests, suffix):
    """Return the pod template of a web server."""
    return find(manifests, "Deployment", suffix)["spec"]["template"]


def test_the_second_web_server_is_optional(helm):
    """The second has a Service and an account with `webserver.readOnly.enabled`, and no Ingress by default."""
    names = {each["metadata"]["name"] for each in helm.manifests(DEMO) if each["kind"] != "NetworkPolicy"}
    assert not [name for name in names if "readonly" in name]
    manifests = helm.manifests(READ_ONLY)
    for kind in ("Deployment", "Service", "ServiceAccount"):
        find(manifests, kind, "-webserver-readonly")
    assert not [each for each in manifests if each["kind"] == "Ingress"]


def test_they_differ_in_name_rights_and_one_argument(helm):
    """The second has no token, no role, and `--read-only`. All else is the same."""
    manifests = helm.manifests(READ_ONLY)
    first, second = (server(manifests, suffix)["spec"] for suffix in BOTH)
    assert (first["automountServiceAccountToken"], second["automountServiceAccountToken"]) == (True, False)
    assert second["serviceAccountName"] == f"{FULLNAME}-webserver-readonly"
    bound = {each["subjects"][0]["name"] for each in manifests if each["kind"] == "RoleBinding"}
    assert second["serviceAccountName"] not in bound
    own = {"automountServiceAccountToken", "serviceAccountName"}
    (container,) = first.pop("containers")
    (other,) = second.pop("containers")
    assert other.pop("args") == [*container.pop("args"), "--read-only"]
    assert container == other
    assert {k: v for k, v in first.items() if k not in own} == {k: v for k, v in second.items() if k not in own}


def test_each_service_selects_its_own_pod(helm):
    """Each Service selects one web server only, and names a port of its container."""
    manifests = helm.manifests(READ_ONLY)
    labels = {name: labels for name, _, labels in pods(manifests)}
    for suffix in BOTH:
        service = find(manifests, "Service", suffix)["spec"]
        taken = {name for name, each in labels.items() if service["selector"].items() <= each.items()}
        assert taken == {FULLNAME + suffix}
        (container,) = server(manifests, suffix)["spec"]["containers"]
        assert service["ports"][0]["targetPort"] in {port["name"] for port in container["ports"]}


def test_an_ingress_leads_to_its_service(helm):
    """Host, class, certificate and annotations are those of the values."""
    manifests = helm.manifests(OWN)
    first, second = (find(manifests, "Ingress", suffix) for suffix in BOTH)
    assert first["metadata"]["annotations"] == {"cert-manager.io/cluster-issuer": "own"}
    assert first["spec"]["ingressClassName"] == "traefik"
    assert first["spec"]["tls"] == [{"hosts": ["flows.example"], "secretName": "flows-tls"}]
    assert "tls" not in second["spec"]
    assert "ingressClassName" not in second["spec"]
    for ingress, suffix, host in zip((first, second), BOTH, ("flows.example", "look.flows.example"), strict=True):
        (rule,) = ingress["spec"]["rules"]
        (path,) = rule["http"]["paths"]
        assert (rule["host"], path["path"], path["pathType"]) == (host, "/", "Prefix")
        backend = path["backend"]["service"]
        assert backend["name"] == FULLNAME + suffix
        ports = {port["name"] for port in find(manifests, "Service", suffix)["spec"]["ports"]}
        assert backend["port"]["name"] in ports


@pytest.mark.parametrize(("suffix", "answer"), [(BOTH[0], ALLOWED), (BOTH[1], REFUSED)])
def test_the_read_only_web_server_changes_nothing(helm, tmp_path, suffix, answer):
    """Started with its pod's arguments and without a token, it shows runs and refuses what the first allows."""
    with started(helm.manifests(READ_ONLY), suffix, tmp_path) as url:
        assert ask(url, '{"query": "{ runsOrError { __typename } }"}')["runsOrError"]["__typename"] == "Runs"
        assert ask(url, DELETE)["deletePipelineRun"]["__typename"] == answer


@contextmanager
def started(manifests, suffix, folder):
    """Start a real web server with the rendered run launcher and its own storage, and yield its URL."""
    config = {name: dagster_yaml(manifests)[name] for name in ("telemetry", "run_coordinator", "run_launcher")}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(config))
    workspace = folder / "workspace.yaml"
    port = free_port()
    workspace.write_text(find(manifests, "ConfigMap", "-instance")["data"]["workspace.yaml"])
    (container,) = server(manifests, suffix)["spec"]["containers"]
    command = [{"3000": str(port), "0.0.0.0": HOST}.get(each, each) for each in container["args"]]
    command[command.index("-w") + 1] = str(workspace)
    url = f"http://{HOST}:{port}"
    with program(command, {"DAGSTER_HOME": str(folder)}, folder / "log"):
        wait_until(lambda: answers(f"{url}/server_info"), "the web server")
        yield url


def answers(url):
    """Return whether a server answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def ask(url, query):
    """Send a GraphQL query to a web server."""
    request = urllib.request.Request(f"{url}/graphql", query.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]
