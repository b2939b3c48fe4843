"""Wiring: settings → resources → IO managers → assets, job and schedule. Nothing is worked out here."""

from typing import Any

import dagster as dg

from cybersec_assets.audit.heads.keys import trusted_keys
from cybersec_assets.audit.verify.heads import Heads
from cybersec_assets.audit.verify.verifier import EVALUATIONS, Verifier
from cybersec_assets.defs.assets.gold import evaluation_asset, model_asset
from cybersec_assets.defs.assets.past_days import past_days_check
from cybersec_assets.defs.assets.raw import raw_asset
from cybersec_assets.defs.assets.silver import silver_asset
from cybersec_assets.defs.io_managers import AuditedIOManager, ModelIOManager, ParquetIOManager
from cybersec_assets.defs.jobs import daily_training_job, daily_training_pods_job, daily_training_schedule
from cybersec_assets.defs.partitions import daily_partitions
from cybersec_assets.defs.pod_executor import pod_per_step
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.detector import detector
from cybersec_assets.defs.resources.flow_source import FlowSourceResource, flow_source
from cybersec_assets.defs.resources.heads import HeadsResource
from cybersec_assets.defs.resources.launch import CONSOLE, Make, fixed, fixed_io_manager, secret_values
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.defs.resources.scratch import ScratchResource
from cybersec_assets.settings import Settings, load_settings

S3_SECRETS = {"access_key": "MINIO_ACCESS_KEY", "secret_key": "MINIO_SECRET_KEY"}
PG_SECRETS = {"password": "PG_PASSWORD", "migration_password": "PG_MIGRATION_PASSWORD"}
FLOW_SECRETS = {
    "s3_access_key": "FLOWS_S3_ACCESS_KEY",
    "s3_secret_key": "FLOWS_S3_SECRET_KEY",
    "pseudonym_key": "FLOWS_PSEUDONYM_KEY",
}
HEAD_SECRETS = {"signing_key": "AUDIT_SIGNING_KEY"}
"""The variables that hold secrets, by the resource's field."""
STORING = {"store", "audit", "scratch"}
"""What IO managers use of a run."""
ONE_PROCESS = dg.in_process_executor.configured({"retries": {"disabled": {}}}, name="in_process", config_schema={})
"""Dagster's executor without its launch config: a run is one unit, which starts over as a whole or not at all."""


def build_definitions(
    settings: Settings | None = None,
    resources: dict[str, Any] | None = None,
    loggers: dict[str, Any] | None = None,
    pods: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """Wire the project up.

    Args:
        settings: What the environment says, read now where it is not given.
        resources: Resources that replace the settings', by key.
        loggers: Dagster loggers beside the console's.
        pods: The executor of `daily_training_pods`. The job is defined where this or CYBERSEC_STEP_PODS_ACCOUNT is set.

    Raises:
        SettingsError: A setting has a value that cannot be used.
    """
    settings = settings or load_settings()
    zone = settings.zone
    partitions = daily_partitions(settings.cybersec_start_date, zone)
    job = daily_training_job()
    jobs = [job]
    if pods or settings.cybersec_step_pods_account:
        jobs.append(daily_training_pods_job(pods or pod_per_step, settings.cybersec_step_pods_account))
    return dg.Definitions(
        assets=[make(partitions) for make in (raw_asset, silver_asset, model_asset, evaluation_asset)],
        asset_checks=[past_days_check()],
        jobs=jobs,
        schedules=[
            daily_training_schedule(
                job,
                settings.cybersec_schedule_cron,
                settings.cybersec_start_date,
                zone,
                enabled=settings.cybersec_schedule_enabled,
            )
        ],
        resources=build_resources(settings) | (resources or {}),
        # Set here, as a job's own executor does not reach runs started from an asset selection.
        executor=ONE_PROCESS,
        loggers={"console": CONSOLE} | (loggers or {}),
    )


def build_resources(settings: Settings) -> dict[str, dg.ResourceDefinition]:
    """Return every resource that the assets name, by key.

    `flow_source` and `detector` have a few fields that a launch may set. The others take nothing at launch: where
    stores, database and audit are, and every secret, comes from the environment alone.

    Raises:
        SettingsError: A setting has a value that cannot be used.
    """
    return {
        "store": fixed(lambda _: store_from(settings)),
        "heads": fixed(lambda run: _heads(settings, run.store), {"store"}),
        "audit": fixed(lambda run: _audit(settings, run.heads), {"heads"}),
        "scratch": fixed(lambda _: ScratchResource(parent=_text(settings.cybersec_scratch))),
        "flow_source": flow_source(_flow_config(settings), FLOW_SECRETS),
        "detector": detector(settings.feature_set),
        "parquet_io_manager": fixed_io_manager(_of_run(ParquetIOManager), STORING),
        "model_io_manager": fixed_io_manager(_of_run(ModelIOManager), STORING),
        # Dagster's own default takes a folder at launch.
        "io_manager": dg.mem_io_manager.configured({}, config_schema={}),
    }


def _of_run(manager: type[AuditedIOManager]) -> Make:
    return lambda run: manager(store=run.store, audit=run.audit, scratch=run.scratch)


def _heads(settings: Settings, store: ObjectStoreResource) -> HeadsResource:
    return HeadsResource(store=store, home=str(settings.cybersec_home), **secret_values(HEAD_SECRETS))


def _audit(settings: Settings, heads: HeadsResource) -> AuditResource:
    return AuditResource(heads=heads, **_audit_config(settings), **secret_values(PG_SECRETS))


def audit_from(settings: Settings) -> AuditResource:
    """Return the audit for use outside of a run."""
    return _audit(settings, _heads(settings, store_from(settings)))


def store_from(settings: Settings) -> ObjectStoreResource:
    """Give the object store for use outside of a run."""
    return ObjectStoreResource(**_store_config(settings), **secret_values(S3_SECRETS))


def flow_source_from(settings: Settings) -> FlowSourceResource:
    """Return the source of flows for use outside of a run."""
    config = _flow_config(settings) | secret_values(FLOW_SECRETS)
    return FlowSourceResource(store=store_from(settings), **config)


def verifier_from(settings: Settings, audit: AuditResource) -> Verifier:
    """Give the check of the audit and of all that it speaks of."""
    trusted = trusted_keys(settings.cybersec_home, settings.audit_trusted_keys, audit.heads.signing_key)
    engine, store = audit.connect().engine, store_from(settings)
    return Verifier(engine, store.open(), store.bucket_prefix, trusted)


def heads_from(settings: Settings, audit: AuditResource) -> Heads:
    """Return the signed heads in the object store, which may exist without the audit.

    Raises:
        SettingsError: A trusted key is invalid.
    """
    trusted = trusted_keys(settings.cybersec_home, settings.audit_trusted_keys, audit.heads.signing_key)
    store = store_from(settings)
    return Heads(store.open(), f"{store.bucket_prefix}-{EVALUATIONS}", trusted)


def _store_config(settings: Settings) -> dict[str, Any]:
    return {
        "home": str(settings.cybersec_home),
        "bucket_prefix": settings.cybersec_bucket_prefix,
        "endpoint": settings.minio_endpoint,
        "secure": settings.minio_secure,
        "region": settings.minio_region,
        "ca_file": _text(settings.minio_ca_file),
    }


def _flow_config(settings: Settings) -> dict[str, Any]:
    return {
        "uri": settings.flows_uri,
        "format": settings.flows_format,
        "columns": settings.flows_columns,
        "synthetic_flows": settings.cybersec_synthetic_flows,
        "s3_endpoint": settings.flows_s3_endpoint,
    }


def _audit_config(settings: Settings) -> dict[str, Any]:
    return {
        "home": str(settings.cybersec_home),
        "host": settings.pg_host,
        "port": settings.pg_port,
        "user": settings.pg_user,
        "database": settings.pg_database,
        "sslmode": settings.pg_sslmode,
        "sslrootcert": _text(settings.pg_sslrootcert),
        "migration_user": settings.pg_migration_user,
        "first_day": settings.cybersec_start_date.isoformat(),
        "timezone": settings.flows_timezone,
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


defs = build_definitions()
