"""Wiring: settings → resources → IO managers → assets, job and schedule. Nothing is worked out here."""

import os
from typing import Any

import dagster as dg

from cybersec_assets.assets.gold import evaluation_asset, model_asset
from cybersec_assets.assets.past_days import past_days_check
from cybersec_assets.assets.raw import raw_asset
from cybersec_assets.assets.silver import silver_asset
from cybersec_assets.heads.keys import trusted_keys
from cybersec_assets.io_managers import ModelIOManager, ParquetIOManager
from cybersec_assets.partitions import daily_partitions
from cybersec_assets.pod_executor import pod_per_step
from cybersec_assets.resources.audit import AuditResource
from cybersec_assets.resources.detector import DetectorResource
from cybersec_assets.resources.flow_source import FlowSourceResource
from cybersec_assets.resources.heads import HeadsResource
from cybersec_assets.resources.object_store import ObjectStoreResource
from cybersec_assets.resources.scratch import ScratchResource
from cybersec_assets.schedules import daily_training_job, daily_training_pods_job, daily_training_schedule
from cybersec_assets.settings import Settings, load_settings
from cybersec_assets.verify.verifier import Verifier

S3_SECRETS = {"access_key": "MINIO_ACCESS_KEY", "secret_key": "MINIO_SECRET_KEY"}
PG_SECRETS = {"password": "PG_PASSWORD", "migration_password": "PG_MIGRATION_PASSWORD"}
FLOW_SECRETS = {
    "s3_access_key": "FLOWS_S3_ACCESS_KEY",
    "s3_secret_key": "FLOWS_S3_SECRET_KEY",
    "pseudonym_key": "FLOWS_PSEUDONYM_KEY",
}
HEAD_SECRETS = {"signing_key": "AUDIT_SIGNING_KEY"}
"""The variables that hold secrets, by the resource's field."""


def build_definitions(
    settings: Settings | None = None,
    resources: dict[str, Any] | None = None,
    loggers: dict[str, Any] | None = None,
    pods: dg.ExecutorDefinition = pod_per_step,
) -> dg.Definitions:
    """Wire the project up.

    Args:
        settings: What the environment says, read now where it is not given.
        resources: Resources that go before the settings', by key.
        loggers: Dagster loggers in place of its own.
        pods: What gives each step of `daily_training_pods` a place of its own.
    """
    settings = settings or load_settings()
    partitions = daily_partitions(settings.cybersec_start_date)
    job = daily_training_job()
    return dg.Definitions(
        assets=[make(partitions) for make in (raw_asset, silver_asset, model_asset, evaluation_asset)],
        asset_checks=[past_days_check()],
        jobs=[job, daily_training_pods_job(pods, settings.cybersec_step_pods_account)],
        schedules=[
            daily_training_schedule(
                job,
                settings.cybersec_schedule_cron,
                settings.cybersec_start_date,
                enabled=settings.cybersec_schedule_enabled,
            )
        ],
        resources=build_resources(settings) | (resources or {}),
        # Set here, as a job's own executor does not reach runs started from an asset selection.
        executor=dg.in_process_executor,
        loggers=loggers,
    )


def build_resources(settings: Settings) -> dict[str, Any]:
    """Give every resource that the assets name, configured from settings."""
    # Unlike a configured resource, one that may still be configured at launch is shared by all that depend on it.
    store = ObjectStoreResource.configure_at_launch(**_store_config(settings), **_secrets(S3_SECRETS))
    home = str(settings.cybersec_home)
    heads = HeadsResource.configure_at_launch(store=store, home=home, **_secrets(HEAD_SECRETS))
    shared: dict[str, Any] = {
        "store": store,
        "audit": AuditResource.configure_at_launch(heads=heads, **_audit_config(settings), **_secrets(PG_SECRETS)),
        "scratch": ScratchResource.configure_at_launch(parent=_text(settings.cybersec_scratch)),
    }
    return shared | {
        "heads": heads,
        "flow_source": FlowSourceResource(store=store, **_flow_config(settings)),
        "detector": DetectorResource(feature_set=settings.feature_set),
        "parquet_io_manager": ParquetIOManager(**shared),
        "model_io_manager": ModelIOManager(**shared),
    }


def audit_from(settings: Settings) -> AuditResource:
    """Give the audit for use outside of a run."""
    heads = HeadsResource(store=store_from(settings), home=str(settings.cybersec_home), **_secret_values(HEAD_SECRETS))
    return AuditResource(heads=heads, **_audit_config(settings), **_secret_values(PG_SECRETS))


def store_from(settings: Settings) -> ObjectStoreResource:
    """Give the object store for use outside of a run."""
    return ObjectStoreResource(**_store_config(settings), **_secret_values(S3_SECRETS))


def verifier_from(settings: Settings, audit: AuditResource) -> Verifier:
    """Give the check of the audit and of all that it speaks of."""
    trusted = trusted_keys(settings.cybersec_home, settings.audit_trusted_keys, audit.heads.signing_key)
    engine, store = audit.connect().engine, store_from(settings)
    return Verifier(engine, store.open(), store.bucket_prefix, trusted)


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
        **_secrets(FLOW_SECRETS),
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
    }


def _secrets(variables: dict[str, str]) -> dict[str, dg.EnvVar]:
    """Name the variables that are set, so that Dagster shows their names and resolves them in the run."""
    return {field: dg.EnvVar(variable) for field, variable in variables.items() if os.environ.get(variable)}


def _secret_values(variables: dict[str, str]) -> dict[str, Any]:
    return {field: os.environ.get(variable) or None for field, variable in variables.items()}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


defs = build_definitions()
