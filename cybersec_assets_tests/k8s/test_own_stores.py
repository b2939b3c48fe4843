"""Stores of one's own by free Secrets, and installs that cannot work: each says why, and a second try goes through."""

import json

import pytest

from cybersec_assets_tests.k8s.chart import FULLNAME
from cybersec_assets_tests.k8s.cluster import namespace
from cybersec_assets_tests.k8s.release import Release

pytestmark = pytest.mark.k8s
NAME = "cybersec-test-own"
OWNER = "cybersec_migration"
SECRETS = ("audit-app", "audit-owner", "dagster-db", "s3-key")


@pytest.fixture(scope="module")
def own(cluster, installed, settings):
    """A release that is not installed, whose stores are another release's."""
    home, _ = installed
    servers = {
        store: f"{FULLNAME}-{store}.{home.namespace.name}.svc.cluster.local" for store in ("postgresql", "minio")
    }
    given = [each for each in settings if not each.startswith("demo.")]
    given += [
        f"postgresql.host={servers['postgresql']}",
        "postgresql.audit.database=own_audit",
        "postgresql.audit.user=own_app",
        "postgresql.audit.existingSecret=audit-app",
        "postgresql.migration.existingSecret=audit-owner",
        "postgresql.migration.userKey=username",
        "postgresql.migration.passwordKey=pgpass",
        "postgresql.dagster.database=own_dagster",
        "postgresql.dagster.user=own_dagster",
        "postgresql.dagster.existingSecret=dagster-db",
        f"s3.endpoint=http://{servers['minio']}:9000",
        "s3.existingSecret=s3-key",
        "bucketPrefix=own-ml",
        "jobs.timeoutSeconds=60",
    ]
    with namespace(cluster, NAME) as place:
        yield Release(place, tuple(given))


def make_secrets(own, stores, **changes):
    """Make the Secrets, some of their values others than the stores'."""
    data = {
        "audit-app": {"password": "a pass/word of @ its:own"},
        "audit-owner": {"username": OWNER, "pgpass": stores["migration-password"]},
        "dagster-db": {"password": "another%20one"},
        "s3-key": {"accessKey": stores["s3-access-key"], "secretKey": stores["s3-secret-key"]},
    }
    for name, values in data.items():
        given = [f"--from-literal={key}={changes.get(key, value)}" for key, value in values.items()]
        own.namespace.kubectl("delete", "secret", name, "--ignore-not-found")
        own.namespace.kubectl("create", "secret", "generic", name, *given)


def refusal(own, *changes, seconds=120):
    """Try to install, and give what Helm says and shows."""
    done = own.helm("upgrade", *changes, timeout=seconds)
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.fixture
def stores(installed):
    """The passwords of the stores."""
    release, _ = installed
    return release.namespace.secret(f"{FULLNAME}-generated")


def test_a_secret_that_is_missing_is_named(own):
    """Helm names the value, the Secret and the namespace, and nothing at all is made."""
    said = refusal(own)
    assert f"names the Secret audit-app, and the namespace {NAME} has none of that name" in said
    assert own.namespace.get("deployments,jobs,configmaps", "-l", "app.kubernetes.io/instance=flows") == []


def test_a_key_that_is_missing_is_named(own, stores):
    """A Secret without the key that values name is refused as well."""
    make_secrets(own, stores)
    said = refusal(own, "postgresql.dagster.passwordKey=pw")
    assert "postgresql.dagster.existingSecret names the Secret dagster-db, which has no key pw" in said


def test_a_wrong_password_is_told(own, stores):
    """Helm shows which role was refused where; no pod was started for it but the one that tried."""
    make_secrets(own, stores, pgpass="wrong")
    said = refusal(own)
    assert f"{OWNER}@{FULLNAME}-postgresql" in said
    assert "password authentication failed" in said
    assert own.namespace.get("deployments") == []


def test_a_wrong_password_of_a_role_that_is_there_is_told(own, stores):
    """Helm shows the application's role, too, where the server knows it with another password."""
    make_secrets(own, stores)
    said = refusal(own, "postgresql.audit.database=mlops_db", "postgresql.audit.user=cybersec_app")
    assert 'password authentication failed for user "cybersec_app"' in said


def test_a_wrong_key_of_the_object_store_is_told(own, stores):
    """Helm shows what the object store said."""
    make_secrets(own, stores, secretKey="wrong")
    assert "SignatureDoesNotMatch" in refusal(own)


def test_an_object_store_that_is_away_is_told(own, stores):
    """Helm shows the address that nobody answers at."""
    make_secrets(own, stores)
    assert "http://nowhere.invalid:9000 cannot be reached" in refusal(own, "s3.endpoint=http://nowhere.invalid:9000")


def test_a_setting_that_keeps_the_code_from_loading_is_told(own, stores):
    """Helm shows which variable no code location would start with: a day that no month has."""
    make_secrets(own, stores)
    said = refusal(own, "startDate=2025-02-30")
    assert "CYBERSEC_START_DATE" in said
    assert "Traceback" not in said


def test_an_image_that_does_not_exist_fails_the_install(own, stores):
    """Helm gives up, and the pod names the image."""
    make_secrets(own, stores)
    refusal(own, "image.repository=localhost/cybersec-nothing", seconds=20)
    events = own.namespace.get("events")
    assert "localhost/cybersec-nothing" in json.dumps(events)


def test_the_next_try_goes_through(own, stores):
    """After all of those an install with what is right works, and a run of it succeeds on stores of one's own."""
    make_secrets(own, stores)
    own.upgrade()
    run_id = own.launch("2026-01-02")
    assert own.finished(run_id, 180)["status"] == "SUCCESS"
