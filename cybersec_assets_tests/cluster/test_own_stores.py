"""Stores of one's own by free Secrets, over TLS; installs that cannot work each say why, and the next goes through."""

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
    """A release that is not installed, whose stores are the company's."""
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
    """Make the Secrets, some of their values others than the stores'."""
    data = {
        "audit-app": {"password": "a pass/word of @ its:own"},
        "audit-owner": {"username": OWNER, "pgpass": PASSWORDS["migration-password"]},
        "dagster-db": {"password": "another%20one"},
        "s3-key": {"accessKey": PASSWORDS["s3-access-key"], "secretKey": PASSWORDS["s3-secret-key"]},
    }
    for name, values in data.items():
        make_secret(own.namespace, name, {key: changes.get(key, value) for key, value in values.items()})


def refusal(own, *changes, seconds=120):
    """Try to install, and give what Helm says and shows."""
    done = own.helm("upgrade", *changes, timeout=seconds)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_a_secret_that_is_missing_is_named(own):
    """Helm names the value, the Secret and the namespace, and nothing at all is made."""
    said = refusal(own)
    assert f"names the Secret audit-app, which does not exist in the namespace {NAME}" in said
    assert own.namespace.get("deployments,jobs,configmaps", "-l", "app.kubernetes.io/instance=flows") == []


def test_a_key_that_is_missing_is_named(own):
    """A Secret without the key that values name is refused as well."""
    make_secrets(own)
    said = refusal(own, "postgresql.dagster.passwordKey=pw")
    assert "postgresql.dagster.existingSecret names the Secret dagster-db, which has no key pw" in said


def test_a_wrong_password_is_told(own):
    """Helm shows which role was refused where; no pod was started for it but the one that tried."""
    make_secrets(own, pgpass="wrong")
    said = refusal(own)
    assert f"{OWNER}@{HOSTS['postgresql']}" in said
    assert "password authentication failed" in said
    assert own.namespace.get("deployments") == []


def test_a_wrong_key_of_the_object_store_is_told(own):
    """Helm shows what the object store said."""
    make_secrets(own, secretKey="wrong")
    assert "SignatureDoesNotMatch" in refusal(own)


def test_a_store_that_another_authority_vouches_for_is_told(own):
    """Helm shows whose certificate nobody that is trusted has signed; so it is checked, of either store."""
    make_secrets(own)
    said = refusal(own, "postgresql.caSecret=other-ca")
    assert OWNER in said
    assert "certificate verify failed" in said
    said = refusal(own, "s3.caSecret=other-ca")
    assert f"the TLS handshake with https://{HOSTS['minio']}:9000 failed" in said
    assert own.namespace.get("deployments") == []


def test_an_object_store_that_is_away_is_told(own):
    """Helm shows the address that nobody answers at."""
    make_secrets(own)
    assert "http://nowhere.invalid:9000 cannot be reached" in refusal(own, "s3.endpoint=http://nowhere.invalid:9000")


def test_a_setting_that_keeps_the_code_from_loading_is_told(own):
    """Helm shows which variable no code location would start with: a day that no month has."""
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


def test_the_next_try_goes_through(own):
    """After all of those an install with what is right works, and a run of it succeeds, with its logs in the store."""
    make_secrets(own)
    own.upgrade()
    run_id = own.launch("2026-01-02")
    run = own.finished(run_id, 180)
    assert run["status"] == "SUCCESS"
    (key, *_) = (event["fileKey"] for event in run["eventConnection"]["events"] if event.get("fileKey"))
    logs = own.ask(LOGS, key=[run_id, "compute_logs", key])["capturedLogs"]
    assert "gold__evaluation" in logs["stderr"]


def test_a_wrong_password_of_a_role_that_is_there_is_told(own):
    """Helm shows the application's role, too, once the server knows it with another password; nothing is upgraded."""
    before = own.namespace.get("deployments")
    make_secrets(own, password="another")
    said = refusal(own, "tickRetentionDays=80")
    assert 'password authentication failed for user "own_app"' in said
    specs = [each["spec"] for each in own.namespace.get("deployments")]
    assert specs == [each["spec"] for each in before]
