"""The metrics exporter in the chart: its rights, its network access, and the Prometheus rules."""

import promql_parser
import pytest

from cybersec_assets_tests.chart.test_manifests import as_kubernetes_reads_it
from cybersec_assets_tests.chart.test_network import labels_by_component, may_go
from cybersec_assets_tests.support.cluster.chart import DEMO, FULLNAME, NAMESPACE, OWN, find, merged, pods
from cybersec_assets_tests.support.cluster.pod_security import faults

ALL = {"metrics": {"enabled": True, "serviceMonitor": True, "alerts": True, "labels": {"release": "prometheus"}}}
OWN_ROLE = {"postgresql": {"metrics": {"user": "metrics", "existingSecret": "metrics-db"}}}
OPERATOR = {"ServiceMonitor", "PrometheusRule"}
OURS = f'namespace="{NAMESPACE}", job="{FULLNAME}-metrics"'
TRAINED = f'cybersec_last_success_timestamp_seconds{{asset="gold/isolation_forest", {OURS}}}'
FAILURES = f"cybersec_phase_failures_total{{{OURS}}}"
RATIO = "cybersec_anomaly_ratio"
POD = "without (pod, instance, endpoint, container)"
EXPRESSIONS = {
    "CybersecModelStale": f"time() - max {POD} (max_over_time({TRAINED}[15m])) > 26 * 3600",
    "CybersecModelMissing": f"max {POD} (max_over_time(cybersec_audit_up{{{OURS}}}[15m])) == 1 "
    f"unless on () max_over_time({TRAINED}[15m])",
    "CybersecPhaseFailed": f"max {POD} (max_over_time({FAILURES}[15m])) > min {POD} (min_over_time({FAILURES}[1h]))",
    "CybersecAnomalyRatioOffBand": f"{RATIO}{{{OURS}}} > {RATIO}_max{{{OURS}}} "
    f"or {RATIO}{{{OURS}}} < {RATIO}_min{{{OURS}}}",
    "CybersecAuditDown": f"cybersec_audit_up{{{OURS}}} == 0",
    "CybersecExporterDown": f"up{{{OURS}}} == 0 or absent(up{{{OURS}}})",
}
"""The expressions that were checked with promtool, with series of two successive pods and of failed scrapes."""
SENT = {
    "cybersec_audit_up",
    "cybersec_last_success_timestamp_seconds",
    "cybersec_phase_failures_total",
    "cybersec_anomaly_ratio",
    "cybersec_anomaly_ratio_min",
    "cybersec_anomaly_ratio_max",
}
"""The metrics that the rules use. The exporter's own test checks the names."""


@pytest.fixture
def rendered(helm, values):
    """Return the chart with an exporter and all its options."""
    return helm.manifests(merged(values, ALL))


def rules(manifests):
    """Return the rules by name."""
    (group,) = find(manifests, "PrometheusRule", "-alerts")["spec"]["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def selectors(expression):
    """Yield every vector selector of an expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for name in ("lhs", "rhs", "expr", "args", "vector_selector"):
        below = getattr(expression, name, None)
        for each in below if isinstance(below, list) else [below] if below is not None else []:
            yield from selectors(each)


def test_there_is_no_exporter_by_default(helm, values):
    """By default nothing is rendered for Prometheus, and the operator's kinds only with the operator's options."""
    assert "metrics" not in {labels["app.kubernetes.io/component"] for _, _, labels in pods(helm.manifests(values))}
    plain = helm.manifests(merged(values, {"metrics": {"enabled": True}}))
    assert not {each["kind"] for each in plain} & OPERATOR


def test_its_manifests_are_valid(rendered):
    """Kubernetes knows every field, and the pod is restricted and has no token."""
    for manifest in rendered:
        if manifest["kind"] not in OPERATOR:
            assert as_kubernetes_reads_it(manifest) == manifest
    spec = find(rendered, "Deployment", "-metrics")["spec"]["template"]["spec"]
    assert faults(spec) == []
    assert spec["automountServiceAccountToken"] is False


def test_it_has_credentials_of_the_audit_only(rendered):
    """Its environment has no key of the object store, no signing key, and no role but one of the audit."""
    (container,) = find(rendered, "Deployment", "-metrics")["spec"]["template"]["spec"]["containers"]
    names = {each["name"] for each in container["env"]}
    assert names - {"PG_SSLROOTCERT"} == {"PG_HOST", "PG_PORT", "PG_SSLMODE", "PG_DATABASE", "PG_USER", "PG_PASSWORD"}


@pytest.mark.parametrize(("change", "secret"), [({}, "audit-app"), (OWN_ROLE, "metrics-db")])
def test_its_role(helm, change, secret):
    """It uses the application's role, or one that the values name."""
    manifests = helm.manifests(merged(merged(OWN, ALL), change))
    (container,) = find(manifests, "Deployment", "-metrics")["spec"]["template"]["spec"]["containers"]
    (password,) = [each for each in container["env"] if each["name"] == "PG_PASSWORD"]
    assert password["valueFrom"]["secretKeyRef"]["name"] == secret


def test_its_network_access(helm):
    """It reaches only PostgreSQL, and is reached only by the peers that the values name."""
    manifests = helm.manifests(merged(DEMO, ALL | {"networkPolicy": {"metricsFrom": [{"podSelector": {}}]}}))
    pod = labels_by_component(manifests)
    reach = {
        (target, port) for target in pod for port in (5432, 9000, 3030, 3000) if _goes(manifests, pod, target, port)
    }
    assert reach == {("postgresql", 5432)}
    assert not may_go(manifests, pod["metrics"], None, 6443)
    policy = find(manifests, "NetworkPolicy", "-metrics")["spec"]
    assert policy["ingress"] == [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 9464}]}]


def _goes(manifests, pod, target, port):
    return may_go(manifests, pod["metrics"], pod[target], port)


def test_an_external_server_is_reached_by_its_port(helm):
    """The port of the configured PostgreSQL is open to it, and that of the S3 server is not."""
    manifests = helm.manifests(merged(OWN, ALL))
    metrics = labels_by_component(manifests)["metrics"]
    assert [may_go(manifests, metrics, None, port) for port in (6432, 9443, 443)] == [True, False, False]


def test_the_monitor_finds_the_service(rendered):
    """The ServiceMonitor selects only the exporter's Service, by a port that it has."""
    monitor = find(rendered, "ServiceMonitor", "-metrics")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [each for each in rendered if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()]
    assert [each["metadata"]["name"] for each in services] == [f"{FULLNAME}-metrics"]
    assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in services[0]["spec"]["ports"]}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_the_rules_are_promql_about_this_release(rendered):
    """Every expression parses, uses existing metrics, and selects this release only."""
    asked = set()
    for rule in rules(rendered).values():
        found = list(selectors(promql_parser.parse(rule["expr"])))
        assert found
        asked |= {each.name for each in found}
        for each in found:
            matchers = {matcher.name: matcher.value for matcher in each.matchers.matchers}
            assert (matchers["namespace"], matchers["job"]) == (NAMESPACE, f"{FULLNAME}-metrics")
    assert asked == SENT | {"up"}


def test_the_expressions_of_the_rules(rendered):
    """The expressions and waiting times are exactly those that were checked with promtool."""
    assert {name: rule["expr"] for name, rule in rules(rendered).items()} == EXPRESSIONS
    assert {name: rule.get("for") for name, rule in rules(rendered).items()} == {
        "CybersecModelStale": "5m",
        "CybersecModelMissing": "26h",
        "CybersecPhaseFailed": None,
        "CybersecAnomalyRatioOffBand": None,
        "CybersecAuditDown": "10m",
        "CybersecExporterDown": "10m",
    }


def test_the_hours_without_a_model(helm, values):
    """The values set the hours of both rules. A release without a schedule has neither rule."""
    weekly = rules(helm.manifests(merged(values, merged(ALL, {"metrics": {"staleAfterHours": 170}}))))
    assert weekly["CybersecModelStale"]["expr"] == EXPRESSIONS["CybersecModelStale"].replace("26 *", "170 *")
    assert weekly["CybersecModelMissing"]["for"] == "170h"
    by_hand = rules(helm.manifests(merged(values, ALL | {"schedule": {"enabled": False}})))
    assert EXPRESSIONS.keys() - by_hand.keys() == {"CybersecModelStale", "CybersecModelMissing"}


def test_an_invalid_expression_does_not_parse():
    """Negative control of the test above."""
    with pytest.raises(ValueError, match=r"invalid|unexpected"):
        promql_parser.parse("cybersec_audit_up{job=} == 0")


def test_placeholders_reach_prometheus(rendered):
    """The placeholders that Prometheus fills in are still in the summaries."""
    assert "{{ $labels.asset }}" in rules(rendered)["CybersecPhaseFailed"]["annotations"]["summary"]
