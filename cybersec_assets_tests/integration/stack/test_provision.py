"""`cybersec stores …` against a real PostgreSQL and a real MinIO: what a cluster's pods do with the stores."""

import psycopg2
import pytest

from cybersec_assets.errors import AuditError, AuditLostError, CybersecError, SettingsError
from cybersec_assets.operations.provision import check, dagster_database, prepare, reach, wait_until_prepared
from cybersec_assets.settings import load_settings
from cybersec_assets_tests.integration.stack.conftest import PASSWORD
from cybersec_assets_tests.support.servers.servers import HOST, free_port
from cybersec_assets_tests.support.servers.workbench import BUCKETS, s3_client


def test_everything_is_made_and_twice_does_no_harm(cluster):
    """From an empty server: buckets with that for logs, both databases, roles and schemas; then nothing changes."""
    said: list[str] = []
    for _ in range(2):
        prepare(load_settings(), 30, said.append)
    assert said[-1] == f"ready: marked for {dagster_database(load_settings()).program}"
    assert len(said) == 10
    names = {bucket["Name"] for bucket in s3_client(cluster.minio).list_buckets()["Buckets"]}
    assert names >= {f"{cluster.prefix}-{name}" for name in (*BUCKETS, "logs")}
    with cluster.superuser(load_settings().dagster_pg_database) as cursor:
        cursor.execute("SELECT count(*) FROM runs")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'event_logs'")
        assert cursor.fetchone() == (load_settings().dagster_pg_user,)
    wait_until_prepared(load_settings(), 5)
    check(load_settings())


def test_a_database_that_somebody_else_owns_is_prepared(cluster):
    """A server's superuser prepares a database that belongs to another role, as Bitnami's chart makes it."""
    with cluster.superuser() as cursor:
        cursor.execute(f"CREATE ROLE owner_{cluster.database} LOGIN")
        cursor.execute(f"ALTER DATABASE {cluster.database} OWNER TO owner_{cluster.database}")
    prepare(load_settings(), 30, lambda _: None)
    wait_until_prepared(load_settings(), 5)
    check(load_settings())


@pytest.mark.usefixtures("cluster")
def test_the_application_does_not_reach_dagsters_database():
    """The audit's role is refused in Dagster's database."""
    prepare(load_settings(), 30, lambda _: None)
    settings = load_settings()
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(
            host=HOST,
            port=settings.pg_port,
            user=settings.pg_user,
            password=PASSWORD,
            dbname=settings.dagster_pg_database,
        )


@pytest.mark.usefixtures("cluster")
def test_nobody_goes_on_before_the_preparation():
    """Waiting ends in one line that says what is missing."""
    with pytest.raises(AuditError, match=r"not ready after 1 s: .*does not exist|password authentication failed"):
        wait_until_prepared(load_settings(), 1)


def test_an_earlier_release_goes_on_with_a_newer_audit(cluster):
    """After a rollback the earlier release's setup, pods and runs take a newer schema that serves them as it is."""
    prepare(load_settings(), 30, lambda _: None)
    with cluster.superuser(cluster.database) as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '0099'")
    with cluster.superuser(load_settings().dagster_pg_database) as cursor:
        cursor.execute("INSERT INTO cybersec_prepared (program) VALUES ('cybersec-assets 9, audit 0099, dagster 9')")
    wait_until_prepared(load_settings(), 5)
    prepare(load_settings(), 30, lambda _: None)
    check(load_settings())
    with cluster.superuser(cluster.database) as cursor:
        cursor.execute("SELECT version_num FROM alembic_version")
        assert cursor.fetchone() == ("0099",)


def test_a_mark_of_another_release_does_not_count(cluster):
    """What was prepared by another release is waited for again."""
    prepare(load_settings(), 30, lambda _: None)
    with cluster.superuser(load_settings().dagster_pg_database) as cursor:
        cursor.execute("UPDATE cybersec_prepared SET program = 'cybersec-assets 0.0.1, audit 0, dagster 1'")
    with pytest.raises(AuditError, match="nothing is prepared for cybersec-assets"):
        wait_until_prepared(load_settings(), 1)


@pytest.mark.usefixtures("cluster")
def test_a_server_that_is_away_is_named(monkeypatch):
    """The preparation waits, says once what for, and then names the server."""
    port = free_port()
    monkeypatch.setenv("PG_PORT", str(port))
    said: list[str] = []
    with pytest.raises(AuditLostError, match=f":{port}"):
        prepare(load_settings(), 2, said.append)
    assert len([line for line in said if line.startswith("waiting: ")]) == 1


def test_what_is_reached_stays_as_it_was(cluster):
    """Both stores are logged in to, and neither gets a bucket, a role or a database from it."""
    said: list[str] = []
    reach(load_settings(), 5, said.append)
    assert said == [f"reached: PostgreSQL as {cluster.pg.user}", "reached: the object store"]
    names = {bucket["Name"] for bucket in s3_client(cluster.minio).list_buckets()["Buckets"]}
    assert not any(name.startswith(cluster.prefix) for name in names)
    with cluster.superuser() as cursor:
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [load_settings().pg_user])
        assert cursor.fetchone() == (0,)


REFUSED = {
    "PG_MIGRATION_PASSWORD": r"password authentication failed for user",
    "PG_PASSWORD": r'password authentication failed for user "app_',
    "DAGSTER_PG_PASSWORD": r'password authentication failed for user "dagster_',
    "MINIO_SECRET_KEY": r"SignatureDoesNotMatch|signature",
}


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("variable", REFUSED)
def test_a_wrong_password_is_said_before_anything_is_made(monkeypatch, variable):
    """A password that a store refuses ends in a line that names the store's place and the refusal."""
    prepare(load_settings(), 30, lambda _: None)
    monkeypatch.setenv(variable, "wrong")
    with pytest.raises(CybersecError, match=REFUSED[variable]):
        reach(load_settings(), 1, lambda _: None)


@pytest.mark.usefixtures("cluster")
def test_a_wrong_password_of_dagsters_role_stops_the_preparation(monkeypatch):
    """Where its role is there with another password, the preparation says so before Dagster's own code meets it."""
    prepare(load_settings(), 30, lambda _: None)
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "wrong")
    with pytest.raises(AuditLostError, match=REFUSED["DAGSTER_PG_PASSWORD"]):
        prepare(load_settings(), 1, lambda _: None)


@pytest.mark.usefixtures("bench")
def test_without_a_second_database_it_says_so():
    """An environment that names no database for Dagster is refused."""
    with pytest.raises(SettingsError, match="DAGSTER_PG_USER"):
        prepare(load_settings(), 1, lambda _: None)
