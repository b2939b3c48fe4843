"""Invalid values: Helm refuses them and names the value."""

import pytest
from dagster._utils.schedules import is_valid_cron_schedule

from cybersec_assets_tests.support.cluster.chart import DEMO, OWN, merged

MISSING = {
    "image.repository": {"image": {"repository": ""}},
    "postgresql.host": {"postgresql": {"host": ""}},
    "postgresql.audit.existingSecret": {"postgresql": {"audit": {"existingSecret": ""}}},
    "postgresql.dagster.existingSecret": {"postgresql": {"dagster": {"existingSecret": ""}}},
    "postgresql.migration.user": {"postgresql": {"migration": {"user": ""}}},
    "s3.endpoint": {"s3": {"endpoint": ""}},
    "s3.existingSecret": {"s3": {"existingSecret": ""}},
    "flows.uri": {"flows": {"uri": ""}},
    "flows.s3.existingSecret": {"flows": {"s3": {"existingSecret": ""}}},
    "webserver.ingress.host": {"webserver": {"ingress": {"host": ""}}},
    "webserver.readOnly.ingress.host": {"webserver": {"readOnly": {"ingress": {"host": ""}}}},
}
WITHOUT_EFFECT = {
    "metrics.serviceMonitor": ("metrics.enabled", {"metrics": {"serviceMonitor": True}}),
    "metrics.alerts": ("metrics.enabled", {"metrics": {"alerts": True}}),
    "webserver.readOnly.ingress.enabled": (
        "webserver.readOnly.enabled",
        {"webserver": {"readOnly": {"enabled": False, "ingress": {"enabled": True}}}},
    ),
    "postgresql.metrics.user": (
        "postgresql.metrics.existingSecret",
        {"metrics": {"enabled": True}, "postgresql": {"metrics": {"user": "metrics"}}},
    ),
}
"""Values that have no effect without another value."""
WRONG = [
    ("image", {"image": {"repo": "x"}}),
    ("pullPolicy", {"image": {"pullPolicy": "Sometimes"}}),
    ("cron", {"schedule": {"cron": "daily"}}),
    ("startDate", {"startDate": "01.01.2025"}),
    ("startDate", {"startDate": "2025-13-01"}),
    ("featureSet", {"featureSet": "all"}),
    ("bucketPrefix", {"bucketPrefix": "Upper_Case"}),
    ("format", {"flows": {"format": "pcap"}}),
    ("sslmode", {"postgresql": {"sslmode": "on"}}),
    ("port", {"postgresql": {"port": 70_000}}),
    ("endpoint", {"s3": {"endpoint": "minio:9000"}}),
    ("maxConcurrent", {"runs": {"maxConcurrent": 0}}),
    ("limit", {"runs": {"tagConcurrencyLimits": [{"key": "dagster/backfill"}]}}),
    ("limit", {"runs": {"tagConcurrencyLimits": [{"key": "dagster/backfill", "limit": "two"}]}}),
    ("value", {"runs": {"tagConcurrencyLimits": [{"key": "day", "limit": 1, "value": {"each": True}}]}}),
    ("keepDays", {"prune": {"keepDays": 0}}),
    ("scratchSize", {"runs": {"scratchSize": "much"}}),
    ("scheduler", {"scheduler": {}}),
    ("enabled", {"demo": {"enabled": "yes"}}),
    ("host", {"webserver": {"ingress": {"host": "https://flows.example"}}}),
]


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_value_is_named(helm, name):
    assert f"{name} is empty" in helm.refusal(merged(OWN, MISSING[name]))


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
@pytest.mark.parametrize("base", [OWN, DEMO], ids=["own", "demo"])
def test_a_value_without_effect_is_refused(helm, base, name):
    """A value that has no effect without another is named together with the other."""
    needed, change = WITHOUT_EFFECT[name]
    said = helm.refusal(merged(base, change))
    assert f"{name} is set, but {needed} is " in said
    assert "leave" in said


def test_a_demo_requires_the_image_of_minio(helm):
    """MinIO's image has no default, and the message says why."""
    said = helm.refusal(merged(DEMO, {"demo": {"minio": {"image": ""}}}))
    assert "demo.minio.image is empty: no maintained public image" in said


@pytest.mark.parametrize(("name", "change"), WRONG)
def test_an_invalid_value_is_named(helm, name, change):
    """The message of the schema contains the value's name."""
    assert name in helm.refusal(merged(OWN, change))


@pytest.mark.parametrize(
    "cron",
    ["60 2 * * *", "0 24 * * *", "0 2 0 * *", "0 2 * 13 *", "0 2 * * 7", "0 2 * *", "*/0 2 * * *", "0 2 * * MONDAY"],
)
def test_an_invalid_cron_expression_is_named(helm, cron):
    """A field out of Kubernetes' range is refused in every cron expression of the values."""
    for jobs in ({"schedule": {"cron": cron}}, {"audit": {"reconcile": {"cron": cron}}}, {"prune": {"cron": cron}}):
        said = helm.refusal(merged(OWN, jobs))
        assert "cron" in said
        assert f"'{cron}' does not match" in said


@pytest.mark.parametrize(
    "cron",
    ["*/2 * * * *", "0 2 * * MON-FRI", "0,30 1-5/2 1 Jan,7 0", "05 02 31 12 6", "*/120 0-6 ? * sun", "0 2 1 * ?"],
)
def test_a_valid_cron_expression_is_accepted(helm, cron):
    """Both Dagster and the schema accept it, for the schedule and for the CronJobs."""
    assert is_valid_cron_schedule(cron)
    jobs = {"schedule": {"cron": cron}, "audit": {"verify": {"cron": cron}}, "prune": {"cron": cron}}
    assert helm.template(merged(OWN, jobs)).returncode == 0


@pytest.mark.parametrize(
    ("peers", "ingress"), [("webserverFrom", "webserver.ingress"), ("readOnlyFrom", "webserver.readOnly.ingress")]
)
def test_an_ingress_that_the_network_policy_blocks_is_refused(helm, peers, ingress):
    """The default peers exclude a controller in another namespace. The message names both values."""
    closed = merged(OWN, {"networkPolicy": {peers: [{"podSelector": {}}]}})
    assert f"networkPolicy.{peers} admits only pods of this namespace, but {ingress}.enabled" in helm.refusal(closed)
    opened = merged(closed, {"networkPolicy": {"enabled": False}})
    assert helm.template(opened).returncode == 0
