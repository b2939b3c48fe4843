"""`cybersec stores …` against a real PostgreSQL and a real MinIO: how a cluster's pods provision the stores."""

import psycopg2
import pytest

from cybersec_assets.errors import AuditError, AuditLostError, CybersecError, SettingsError
from cybersec_assets.operations.provision import check, dagster_database, prepare, reach, wait_until_prepared
from cybersec_assets.settings import load_settings
from cybersec_assets_tests.integration.stack.conftest import PASSWORD
from cybersec_assets_tests.support.servers.servers import HOST, free_port
from cybersec_assets_tests.support.servers.workbench import BUCKETS, s3_client


def test_provisioning_is_idempotent(cluster):
    """An empty server gets all buckets, both databases, roles and schemas. A second time changes nothing."""
    lines: list[str] = []
    for _ in range(2):
        prepare(load_settings(), 30, lines.append)
    assert lines[-1] == f"ready: marked for {dagster_database(load_settings()).program}"
    assert len(lines) == 10
    names = {bucket["Name"] for bucket in s3_client(cluster.minio).list_buckets()["Buckets"]}
    assert names >= {f"{cluster.prefix}-{name}" for name in (*BUCKETS, "logs")}
    with cluster.superuser(load_settings().postgres.dagster_database) as cursor:
        cursor.execute("SELECT count(*) FROM runs")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'event_logs'")
        assert cursor.fetchone() == (load_settings().postgres.dagster_user,)
    wait_until_prepared(load_settings(), 5)
    check(load_settings())


def test_a_database_of_another_owner_is_prepared(cluster):
    """A superuser prepares a database that another role owns, as Bitnami's chart creates it."""
    with cluster.superuser() as cursor:
        cursor.execute(f"CREATE ROLE owner_{cluster.database} LOGIN")
        cursor.execute(f"ALTER DATABASE {cluster.database} OWNER TO owner_{cluster.database}")
    prepare(load_settings(), 30, lambda _: None)
    wait_until_prepared(load_settings(), 5)
    check(load_settings())


@pytest.mark.usefixtures("cluster")
def test_the_application_does_not_reach_dagsters_database():
    prepare(load_settings(), 30, lambda _: None)
    settings = load_settings()
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(
            host=HOST,
            port=settings.postgres.port,
            user=settings.postgres.user,
            password=PASSWORD,
            dbname=settings.postgres.dagster_database,
        )


@pytest.mark.usefixtures("cluster")
def test_pods_wait_for_the_preparation():
    """Waiting ends with one line that says what is missing."""
    with pytest.raises(AuditError, match=r"not ready after 1 s: .*does not exist|password authentication failed"):
        wait_until_prepared(load_settings(), 1)


def test_an_earlier_release_works_with_a_newer_audit(cluster):
    """After a rollback the earlier release accepts a newer schema that is compatible with it."""
    prepare(load_settings(), 30, lambda _: None)
    with cluster.superuser(cluster.database) as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '0099'")
    with cluster.superuser(load_settings().postgres.dagster_database) as cursor:
        cursor.execute("INSERT INTO cybersec_prepared (program) VALUES ('cybersec-assets 9, audit 0099, dagster 9')")
    wait_until_prepared(load_settings(), 5)
    prepare(load_settings(), 30, lambda _: None)
    check(load_settings())
    with cluster.superuser(cluster.database) as cursor:
        cursor.execute("SELECT version_num FROM alembic_version")
        assert cursor.fetchone() == ("0099",)


def test_a_mark_of_another_release_does_not_count(cluster):
    """Pods wait until their own release has prepared the stores."""
    prepare(load_settings(), 30, lambda _: None)
    with cluster.superuser(load_settings().postgres.dagster_database) as cursor:
        cursor.execute("UPDATE cybersec_prepared SET program = 'cybersec-assets 0.0.1, audit 0, dagster 1'")
    with pytest.raises(AuditError, match="nothing is prepared for cybersec-assets"):
        wait_until_prepared(load_settings(), 1)


@pytest.mark.usefixtures("cluster")
def test_an_unreachable_server_is_named(monkeypatch):
    """The preparation reports once that it waits, and then names the server."""
    port = free_port()
    monkeypatch.setenv("PG_PORT", str(port))
    lines: list[str] = []
    with pytest.raises(AuditLostError, match=f":{port}"):
        prepare(load_settings(), 2, lines.append)
    assert len([line for line in lines if line.startswith("waiting: ")]) == 1


def test_reach_changes_nothing(cluster):
    """`reach` connects to both stores and creates no bucket, role or database."""
    lines: list[str] = []
    reach(load_settings(), 5, lines.append)
    assert lines == [f"reached: PostgreSQL as {cluster.pg.user}", "reached: the object store"]
    names = {bucket["Name"] for bucket in s3_client(cluster.minio).list_buckets()["Buckets"]}
    assert not any(name.startswith(cluster.prefix) for name in names)
    with cluster.superuser() as cursor:
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [load_settings().postgres.user])
        assert cursor.fetchone() == (0,)


REFUSED = {
    "PG_MIGRATION_PASSWORD": r"password authentication failed for user",
    "PG_PASSWORD": r'password authentication failed for user "app_',
    "DAGSTER_PG_PASSWORD": r'password authentication failed for user "dagster_',
    "MINIO_SECRET_KEY": r"SignatureDoesNotMatch|signature",
}


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("variable", REFUSED)
def test_a_wrong_password_is_reported_before_anything_is_created(monkeypatch, variable):
    """The message names the store and its refusal."""
    prepare(load_settings(), 30, lambda _: None)
    monkeypatch.setenv(variable, "wrong")
    with pytest.raises(CybersecError, match=REFUSED[variable]):
        reach(load_settings(), 1, lambda _: None)


@pytest.mark.usefixtures("cluster")
def test_a_wrong_password_of_dagsters_role_stops_the_preparation(monkeypatch):
    """The role exists with another password. The preparation reports this before Dagster fails on it."""
    prepare(load_settings(), 30, lambda _: None)
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "wrong")
    with pytest.raises(AuditLostError, match=REFUSED["DAGSTER_PG_PASSWORD"]):
        prepare(load_settings(), 1, lambda _: None)


@pytest.mark.usefixtures("bench")
def test_a_missing_second_database_is_refused():
    with pytest.raises(SettingsError, match="DAGSTER_PG_USER"):
        prepare(load_settings(), 1, lambda _: None)
