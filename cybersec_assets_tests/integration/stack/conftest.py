"""A MinIO and a PostgreSQL for the session, and buckets and a database for each test."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cybersec_assets_tests.support.cluster.tool import built_tool
from cybersec_assets_tests.support.servers.log_bucket import LogBucket
from cybersec_assets_tests.support.servers.servers import HOST, Minio, Postgres
from cybersec_assets_tests.support.servers.workbench import Workbench

INSTANCE = """
storage:
  postgres:
    postgres_db:
      scheme: postgresql+psycopg2
      hostname: {env: PG_HOST}
      port: {env: PG_PORT}
      username: {env: DAGSTER_PG_USER}
      db_name: {env: DAGSTER_PG_DATABASE}
telemetry: {enabled: false}
"""
PASSWORD = "made/up@of:the tests"


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    """Return a folder that PostgreSQL's user can enter, unlike pytest's temporary folders."""
    folder = Path(tempfile.mkdtemp(prefix="cybersec-stack-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def binary(cluster_tool: Path) -> Path:
    """Return MinIO's program, which is built if it is missing."""
    return built_tool(cluster_tool, "minio")


@pytest.fixture(scope="session")
def minio(binary: Path, stack_folder: Path) -> Iterator[Minio]:
    """Start a MinIO for the session."""
    server = Minio(binary, stack_folder / "minio")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def own_minio(binary: Path, tmp_path: Path) -> Iterator[Minio]:
    """Start a MinIO that the test may kill."""
    server = Minio(binary, tmp_path / "minio")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def pg(stack_folder: Path) -> Iterator[Postgres]:
    """Start a PostgreSQL for the session."""
    server = Postgres(stack_folder / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_pg(stack_folder: Path) -> Iterator[Postgres]:
    """Start a PostgreSQL that the test may stop."""
    server = Postgres(stack_folder / uuid.uuid4().hex)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bench(minio: Minio, pg: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Set the environment of a user of this stack, and return access to its servers."""
    name = uuid.uuid4().hex[:12]
    made = Workbench(minio, pg, f"test-{name}", f"audit_{name}", tmp_path / "scratch")
    environment = {
        "PG_HOST": HOST,
        "PG_PORT": str(pg.port),
        "PG_USER": pg.user,
        "PG_PASSWORD": pg.password,
        "PG_DATABASE": made.database,
        "CYBERSEC_HOME": str(tmp_path / "home"),
        "CYBERSEC_SCRATCH": str(made.scratch),
        "CYBERSEC_BUCKET_PREFIX": made.prefix,
        "CYBERSEC_SYNTHETIC_FLOWS": "500",
    }
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    use_minio(monkeypatch, minio)
    return made


@pytest.fixture
def cluster(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Set the environment of a cluster's setup: roles and a second database that do not exist yet."""
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text(INSTANCE)
    names = {name: f"{name}_{bench.database}" for name in ("app", "dagster")}
    environment = {
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "PG_MIGRATION_USER": bench.pg.user,
        "PG_MIGRATION_PASSWORD": bench.pg.password,
        "PG_USER": names["app"],
        "PG_PASSWORD": PASSWORD,
        "DAGSTER_PG_USER": names["dagster"],
        "DAGSTER_PG_DATABASE": names["dagster"],
        "DAGSTER_PG_PASSWORD": PASSWORD,
        "PGPASSWORD": PASSWORD,
        "AUDIT_SIGNING_KEY": "A" * 43 + "=",
    }
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with bench.superuser() as cursor:
        # The migrations' role connects to this database first, as in a bundled server.
        cursor.execute(f"CREATE DATABASE {bench.database}")
    return bench


@pytest.fixture
def logs(minio: Minio) -> LogBucket:
    """Return a bucket of the test's own."""
    return LogBucket(minio)


@pytest.fixture
def own_logs(binary: Path, tmp_path: Path) -> Iterator[LogBucket]:
    """Return a bucket on a MinIO that the test may kill, and that drops readers after two idle seconds."""
    server = Minio(binary, tmp_path / "minio", access_key="made-up-reader", environment={"MINIO_IDLE_TIMEOUT": "2s"})
    try:
        server.start()
        yield LogBucket(server)
    finally:
        server.kill()


def use_minio(monkeypatch: pytest.MonkeyPatch, minio: Minio) -> None:
    """Set the variables that name a MinIO server and its root's key."""
    monkeypatch.setenv("MINIO_ENDPOINT", f"{HOST}:{minio.port}")
    monkeypatch.setenv("MINIO_ACCESS_KEY", minio.access_key)
    monkeypatch.setenv("MINIO_SECRET_KEY", minio.secret_key)
