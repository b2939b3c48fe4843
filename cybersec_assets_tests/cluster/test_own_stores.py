"""A release with its own stores over TLS: each install that cannot work says why, and the next one succeeds."""

import json

import pytest

from cybersec_assets_tests.support.cluster.authority import Authority
from cybersec_assets_tests.support.cluster.cluster import namespace
from cybersec_assets_tests.support.cluster.own_stores import HOSTS, PASSWORDS, make_secret, start
from cybersec_assets_tests.support.cluster.release import LOGS, Release

NAME = "cybersec-test-own"
OWNER = "cybersec_migration"


@pytest.fixture(scope="module")
def own(cluster, settings):
    """Return a release that is not installed, with the stores of a company."""
    authority = Authority()
    given = [each for each in settings if not each.startswith("demo.")]
    given += [
        f"postgresql.host={HOSTS['postgresql']}",
        "postgresql.sslmode=verify-full",
        "postgresql.caSecret=company-ca",
        "postgresql.audit.database=own_audit",
        "postgresql.audit.user=own_app",
        "postgresql.audit.existingSecret=audit-app",
        "postgresql.migration.existingSecret=audit-owner",
        "postgresql.migration.userKey=username",
        "postgresql.migration.passwordKey=pgpass",
        "postgresql.dagster.database=own_dagster",
        "postgresql.dagster.user=own_dagster",
        "postgresql.dagster.existingSecret=dagster-db",
        f"s3.endpoint=https://{HOSTS['minio']}:9000",
        "s3.existingSecret=s3-key",
        "s3.caSecret=company-ca",
        "s3.caKey=chain.pem",
        "bucketPrefix=own-ml",
        "jobs.timeoutSeconds=60",
    ]
    with namespace(cluster, NAME) as place:
        start(place, authority, settings)
        make_secret(place, "company-ca", {"ca.crt": authority.certificate, "chain.pem": authority.certificate})
        make_secret(place, "other-ca", {"ca.crt": Authority().certificate, "chain.pem": Authority().certificate})
        yield Release(place, tuple(given))


def make_secrets(own, **changes):
    """Create the Secrets, some of them with other values than the stores'."""
    data = {
        "audit-app": {"password": "a pass/word of @ its:own"},
        "audit-owner": {"username": OWNER, "pgpass": PASSWORDS["migration-password"]},
        "dagster-db": {"password": "another%20one"},
        "s3-key": {"accessKey": PASSWORDS["s3-access-key"], "secretKey": PASSWORDS["s3-secret-key"]},
    }
    for name, values in data.items():
        make_secret(own.namespace, name, {key: changes.get(key, value) for key, value in values.items()})


def refusal(own, *changes, seconds=120):
    """Try to install, and return what Helm prints."""
    done = own.helm("upgrade", *changes, timeout=seconds)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_a_missing_secret_is_named(own):
    """Helm names the value, the Secret and the namespace, and creates nothing."""
    said = refusal(own)
    assert f"names the Secret audit-app, which does not exist in the namespace {NAME}" in said
    assert own.namespace.get("deployments,jobs,configmaps", "-l", "app.kubernetes.io/instance=flows") == []


def test_a_missing_key_of_a_secret_is_named(own):
    """A Secret without the key that the values name is refused."""
    make_secrets(own)
    said = refusal(own, "postgresql.dagster.passwordKey=pw")
    assert "postgresql.dagster.existingSecret names the Secret dagster-db, which has no key pw" in said


def test_a_wrong_password_is_reported(own):
    """Helm shows the role and the server, and no pod was started but the one that tried."""
    make_secrets(own, pgpass="wrong")
    said = refusal(own)
    assert f"{OWNER}@{HOSTS['postgresql']}" in said
    assert "password authentication failed" in said
    assert own.namespace.get("deployments") == []


def test_a_wrong_key_of_the_object_store_is_reported(own):
    """Helm shows the answer of the object store."""
    make_secrets(own, secretKey="wrong")
    assert "SignatureDoesNotMatch" in refusal(own)


def test_a_certificate_of_an_untrusted_authority_is_reported(own):
    """Helm shows that no trusted authority signed the certificate of either store."""
    make_secrets(own)
    said = refusal(own, "postgresql.caSecret=other-ca")
    assert OWNER in said
    assert "certificate verify failed" in said
    said = refusal(own, "s3.caSecret=other-ca")
    assert f"the TLS handshake with https://{HOSTS['minio']}:9000 failed" in said
    assert own.namespace.get("deployments") == []


def test_an_unreachable_object_store_is_reported(own):
    """Helm shows the address."""
    make_secrets(own)
    assert "http://nowhere.invalid:9000 cannot be reached" in refusal(own, "s3.endpoint=http://nowhere.invalid:9000")


def test_a_setting_that_keeps_the_code_from_loading_is_reported(own):
    """Helm shows the variable with the invalid date."""
    make_secrets(own)
    said = refusal(own, "startDate=2025-02-30")
    assert "CYBERSEC_START_DATE" in said
    assert "Traceback" not in said


def test_an_image_that_does_not_exist_fails_the_install(own):
    """Helm gives up, and the pod names the image."""
    make_secrets(own)
    refusal(own, "image.repository=localhost/cybersec-nothing", seconds=20)
    events = own.namespace.get("events")
    assert "localhost/cybersec-nothing" in json.dumps(events)


def test_the_next_install_succeeds(own):
    """After those failures an install with correct values works, a run succeeds, and its logs are in the store."""
    make_secrets(own)
    own.upgrade()
    run_id = own.launch("2026-01-02")
    run = own.finished(run_id, 180)
    assert run["status"] == "SUCCESS"
    (key, *_) = (event["fileKey"] for event in run["eventConnection"]["events"] if event.get("fileKey"))
    logs = own.ask(LOGS, key=[run_id, "compute_logs", key])["capturedLogs"]
    assert "gold__evaluation" in logs["stderr"]


def test_a_wrong_password_of_an_existing_role_is_reported(own):
    """Helm shows the application's role if the server knows it with another password, and upgrades nothing."""
    before = own.namespace.get("deployments")
    make_secrets(own, password="another")
    said = refusal(own, "tickRetentionDays=80")
    assert 'password authentication failed for user "own_app"' in said
    specs = [each["spec"] for each in own.namespace.get("deployments")]
    assert specs == [each["spec"] for each in before]
