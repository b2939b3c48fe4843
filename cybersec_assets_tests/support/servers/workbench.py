"""The stack as a test uses it: settings from the environment, runs, and access to what they stored."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import psycopg2
from botocore.config import Config

from cybersec_assets.definitions import audit_from, build_definitions
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.launch import fixed
from cybersec_assets.postgres.database import PATIENCE_SECONDS
from cybersec_assets.settings import load_settings
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.servers.servers import HOST, Minio, Postgres

BUCKETS = ("raw", "silver", "models", "eval")
HEADS = "-eval/audit-heads/"


def s3_client(minio: Minio, access_key: str | None = None, secret_key: str | None = None) -> Any:
    """Return an S3 client of the tests' own, with root's key by default."""
    return boto3.client(
        "s3",
        endpoint_url=minio.url,
        region_name="us-east-1",
        aws_access_key_id=access_key or minio.access_key,
        aws_secret_access_key=secret_key or minio.secret_key,
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )


@dataclass
class Workbench:
    """Buckets, a database and a scratch folder of one test."""

    minio: Minio
    pg: Postgres
    prefix: str
    database: str
    scratch: Path

    def run(
        self, *selected: str, loggers: dict[str, Any] | None = None, patience: float | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run the day with the settings of the environment, or some of its assets."""
        settings = load_settings()
        seconds = PATIENCE_SECONDS if patience is None else patience

        def audit(run: dg.InitResourceContext) -> AbstractContextManager[AuditResource]:
            resource = AuditResource(settings.postgres, settings.schedule, run.resources.heads, seconds)
            return resource.yield_for_execution(run)

        definitions = build_definitions(settings, {"audit": fixed(audit, {"heads"})}, loggers=loggers)
        config: dict[str, Any] = {"loggers": {name: {} for name in loggers}} if loggers else {}
        with dg.DagsterInstance.ephemeral() as instance:
            return definitions.resolve_job_def("daily_training").execute_in_process(
                run_config=config or None,
                partition_key=DAY,
                instance=instance,
                raise_on_error=False,
                asset_selection=[dg.AssetKey(key.split("/")) for key in selected] or None,
            )

    def rows(self, run_id: str) -> list[dict[str, Any]]:
        """Return a run's rows in the audit."""
        with audit_from(load_settings()).session() as audit:
            return audit.ask().of_run(run_id)

    def objects(self) -> dict[str, bytes]:
        """Return the content of every object by URI, without the audit's heads."""
        return {uri: content for uri, content in self._stored().items() if HEADS not in uri}

    def heads(self) -> dict[str, bytes]:
        """Return the audit's heads by URI, in order."""
        return {uri: content for uri, content in sorted(self._stored().items()) if HEADS in uri}

    def _stored(self) -> dict[str, bytes]:
        s3 = s3_client(self.minio)
        ours = [one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"].startswith(self.prefix)]
        return {
            f"s3://{bucket}/{entry['Key']}": s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            for bucket in ours
            for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        }

    def make_buckets(self) -> None:
        """Create the four buckets as root."""
        for name in BUCKETS:
            s3_client(self.minio).create_bucket(Bucket=f"{self.prefix}-{name}")

    def leftovers(self) -> list[Path]:
        """Return what runs left in the scratch folder."""
        return sorted(self.scratch.iterdir()) if self.scratch.exists() else []

    @contextmanager
    def superuser(self, database: str = "postgres") -> Iterator[Any]:
        """Yield a cursor on the PostgreSQL server, as its owner."""
        connection = psycopg2.connect(
            host=HOST, port=self.pg.port, user=self.pg.user, password=self.pg.password, dbname=database
        )
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def databases(self) -> list[str]:
        """Return the names of the server's databases."""
        with self.superuser() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            return [name for (name,) in cursor.fetchall()]


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return the message of each failed phase, as Dagster shows it."""
    assert not result.success
    said = []
    for event in result.filter_events(lambda event: event.is_step_failure):
        known = event.step_failure_data.user_failure_data
        assert known is not None, event.step_failure_data.error
        said.append(str(known.description))
    return said
