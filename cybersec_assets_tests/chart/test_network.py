"""NetworkPolicies, evaluated as a network plugin does: which pod may connect to which."""

from cybersec_assets_tests.support.cluster.chart import CONTROLLER, DEMO, OWN, dagster_yaml, merged, pods
from cybersec_assets_tests.support.cluster.run_job import run_job

CLIENTS = {"webserver", "daemon", "code", "run", "setup", "audit", "prune", "test"}
NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def labels_by_component(manifests):
    """Return the labels of each component's pods, including those of runs."""
    found = {labels["app.kubernetes.io/component"]: labels for _, _, labels in pods(manifests)}
    run = run_job(dagster_yaml(manifests))["spec"]["template"]["metadata"]["labels"]
    return found | {"run": run}


def selects(selector, labels):
    """Return whether a label selector matches a pod."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    return all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", []))


def policies(manifests):
    """Return the specs of the policies."""
    return [each["spec"] for each in manifests if each["kind"] == "NetworkPolicy"]


def may_go(manifests, source, target, port):
    """Return whether a pod may connect to another. A target of None is an address outside of the cluster."""
    leaves = any(
        matches(rule.get("to"), target, port, rule)
        for spec in policies(manifests)
        if "Egress" in spec["policyTypes"] and selects(spec["podSelector"], source)
        for rule in spec.get("egress", [])
    )
    return leaves and (target is None or may_come(manifests, source, target, port))


def may_come(manifests, source, target, port):
    """Return whether a pod accepts connections from another pod, of the release or not."""
    return any(
        matches(rule.get("from"), source, port, rule)
        for spec in policies(manifests)
        if "Ingress" in spec["policyTypes"] and selects(spec["podSelector"], target)
        for rule in spec.get("ingress", [])
    )


def matches(peers, labels, port, rule):
    """Return whether a rule matches a peer at a port. A rule without peers matches all."""
    at_port = port in {each["port"] for each in rule.get("ports", [])}
    known = peers is None or (labels is not None and any(is_peer(peer, labels) for peer in peers))
    return at_port and known


def is_peer(peer, labels):
    """Return whether a peer matches a pod. The labels of a pod in another namespace include that namespace's."""
    namespace = labels.get(NAMESPACE_LABEL)
    if "namespaceSelector" not in peer:
        return namespace is None and selects(peer["podSelector"], labels)
    own = {NAMESPACE_LABEL: namespace} if namespace else {}
    return selects(peer["namespaceSelector"], own) and selects(peer.get("podSelector", {}), labels)


def test_every_pod_is_isolated_by_default(manifests):
    """One policy without rules selects every pod of the release and of its runs, in both directions."""
    (deny,) = [spec for spec in policies(manifests) if set(spec["policyTypes"]) == {"Ingress", "Egress"}]
    assert not deny.get("ingress")
    assert not deny.get("egress")
    for component, labels in labels_by_component(manifests).items():
        assert selects(deny["podSelector"], labels), component


def test_connections_in_a_demo(helm):
    """Only their clients reach the stores, which reach nothing. Only the web server and the daemon reach the code."""
    manifests = helm.manifests(DEMO)
    pod = labels_by_component(manifests)
    assert pod.keys() == CLIENTS | {"postgresql", "minio", "clear"}
    reach = {
        (source, target)
        for source in pod
        for target, port in (("postgresql", 5432), ("minio", 9000), ("code", 3030), ("webserver", 3000))
        if may_go(manifests, pod[source], pod[target], port)
    }
    expected = {(source, store) for source in CLIENTS for store in ("postgresql", "minio")}
    assert reach == expected | {("webserver", "code"), ("daemon", "code")}


def test_only_pods_with_a_token_reach_the_api_server(manifests):
    """Runs, which execute the users' code, do not reach it."""
    pod = labels_by_component(manifests)
    assert {name for name in pod if may_go(manifests, pod[name], None, 6443)} == {"webserver", "daemon", "clear"}


def test_every_pod_reaches_dns(manifests):
    for labels in labels_by_component(manifests).values():
        assert may_go(manifests, labels, None, 53)


def test_external_stores_are_reached_by_their_ports(helm):
    """Each client reaches the ports of the servers in the values. Only runs fetch flows."""
    manifests = helm.manifests(OWN)
    pod = labels_by_component(manifests)
    clients = CLIENTS | {"webserver-readonly"}
    for port, who in (
        (6432, clients | {"reach"}),
        (9443, clients | {"reach"}),
        (9000, {"run"}),
        (80, set()),
        (5432, set()),
    ):
        assert {name for name in pod if may_go(manifests, pod[name], None, port)} == who


def test_ports_behind_services_are_open(helm):
    """Some network plugins match the ports of pods. The values name them, and all clients of the stores reach them."""
    own = merged(OWN, {"metrics": {"enabled": True}, "networkPolicy": {"storePorts": [9001]}})
    manifests = helm.manifests(own)
    pod = labels_by_component(manifests)
    assert {name for name in pod if may_go(manifests, pod[name], None, 9001)} >= CLIENTS | {"reach", "metrics"}
    closed = helm.manifests(merged(own, {"networkPolicy": {"storePorts": []}}))
    assert not [name for name in pod if may_go(closed, pod[name], None, 9001)]


def test_the_hook_reaches_new_stores(helm):
    """Before an upgrade the policies are those of the earlier demo. The hook brings its own policy."""
    trial = helm.manifests(DEMO)
    own = helm.manifests(OWN)
    labels = labels_by_component(own)["reach"]
    hooks = [each for each in own if "helm.sh/hook-weight" in each["metadata"].get("annotations", {})]
    for port in (53, 6432, 9443):
        assert may_go([*trial, *hooks], labels, None, port)
    assert not may_go(trial, labels, None, 6432)


def test_the_ingress_controller_reaches_the_web_servers_and_nothing_else(helm):
    """Only the namespace in the values may connect, and only to the web servers' port."""
    manifests = helm.manifests(OWN)
    pod = labels_by_component(manifests)
    for namespace, who in (("traefik", {"webserver", "webserver-readonly"}), ("elsewhere", set())):
        peer = {NAMESPACE_LABEL: namespace}
        assert {name for name in pod if may_come(manifests, peer, pod[name], 3000)} == who
        assert not [name for name in pod if may_come(manifests, peer, pod[name], 3030)]


def test_the_read_only_web_server_has_peers_of_its_own(helm):
    """Its peers reach it and not the other web server. Both web servers reach the code location."""
    manifests = helm.manifests(merged(OWN, {"networkPolicy": {"webserverFrom": [CONTROLLER]}}))
    pod = labels_by_component(manifests)
    somebody = {"app": "dashboard"}
    assert {name for name in pod if may_come(manifests, somebody, pod[name], 3000)} == {"webserver-readonly"}
    assert may_go(manifests, pod["webserver-readonly"], pod["code"], 3030)


def test_network_policies_can_be_disabled(helm):
    assert policies(helm.manifests(merged(DEMO, {"networkPolicy": {"enabled": False}}))) == []
