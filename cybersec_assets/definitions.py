"""Wire settings, resources, IO managers, assets, jobs and the schedule together. Nothing is computed here."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import dagster as dg

from cybersec_assets import phases
from cybersec_assets.audit.heads.keys import trusted_keys
from cybersec_assets.audit.verify.heads import Heads
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.defs.assets.gold import detector, evaluation_asset, model_asset
from cybersec_assets.defs.assets.past_days import past_days_check
from cybersec_assets.defs.assets.raw import raw_asset
from cybersec_assets.defs.assets.silver import silver_asset
from cybersec_assets.defs.io_managers import AuditedIOManager, ModelIOManager, ParquetIOManager
from cybersec_assets.defs.jobs import (
    daily_training_job,
    daily_training_pods_job,
    daily_training_schedule,
    pod_per_step,
)
from cybersec_assets.defs.partitions import daily_partitions
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.flow_source import FlowSourceResource, flow_source
from cybersec_assets.defs.resources.heads import HeadsResource
from cybersec_assets.defs.resources.launch import CONSOLE, Make, fixed, fixed_io_manager
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.defs.resources.scratch import ScratchResource
from cybersec_assets.postgres.database import PATIENCE_SECONDS
from cybersec_assets.settings import Settings, load_settings

ONE_PROCESS = dg.in_process_executor.configured({"retries": {"disabled": {}}}, name="in_process", config_schema={})
"""Dagster's executor without its launch config: a run is one unit, which starts over as a whole or not at all."""


def build_definitions(
    settings: Settings | None = None,
    resources: dict[str, Any] | None = None,
    loggers: dict[str, Any] | None = None,
    pods: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """Return everything that Dagster loads.

    Args:
        settings: The settings; the environment's if not given.
        resources: Resources that replace the settings', by key.
        loggers: Dagster loggers in addition to the console's.
        pods: The executor of `daily_training_pods`. The job is defined if this or CYBERSEC_STEP_PODS_ACCOUNT is set.

    Raises:
        SettingsError: A setting has an invalid value.
    """
    settings = settings or load_settings()
    account = settings.run.step_pods_account
    partitions = daily_partitions(settings.schedule.start_date, settings.schedule.zone)
    job = daily_training_job()
    jobs = [job]
    if pods or account:
        jobs.append(daily_training_pods_job(pods or pod_per_step, account))
    return dg.Definitions(
        assets=[make(partitions) for make in (raw_asset, silver_asset, model_asset, evaluation_asset)],
        asset_checks=[past_days_check()],
        jobs=jobs,
        schedules=[daily_training_schedule(job, settings.schedule)],
        resources=build_resources(settings) | (resources or {}),
        # A job's own executor would not reach runs that are started from an asset selection.
        executor=ONE_PROCESS,
        loggers={"console": CONSOLE} | (loggers or {}),
    )


def build_resources(settings: Settings) -> dict[str, dg.ResourceDefinition]:
    """Return every resource that the assets need, by key.

    A launch may set a few fields of `flow_source` and `detector`, and nothing of the others. Stores, database, audit
    and every secret come from the environment alone.

    Raises:
        SettingsError: A setting has an invalid value.
    """
    return {
        "store": fixed(lambda _: nullcontext(store_from(settings))),
        "heads": fixed(lambda run: nullcontext(HeadsResource(settings.audit, run.resources.store)), {"store"}),
        "audit": fixed(lambda run: _audit(settings, run.resources.heads).yield_for_execution(run), {"heads"}),
        "scratch": fixed(lambda run: ScratchResource(settings.run.scratch).yield_for_execution(run)),
        "flow_source": flow_source(settings.flows),
        "detector": detector(settings.run.feature_set),
        "parquet_io_manager": fixed_io_manager(_of_run(ParquetIOManager), {"audit", "scratch"}),
        "model_io_manager": fixed_io_manager(_of_run(ModelIOManager), {"audit", "scratch"}),
        # Dagster's own default takes a folder at launch.
        "io_manager": dg.mem_io_manager.configured({}, config_schema={}),
    }


def _of_run(manager: Callable[[AuditResource, ScratchResource], AuditedIOManager]) -> Make:
    return lambda run: nullcontext(manager(run.resources.audit, run.resources.scratch))


def _audit(settings: Settings, heads: HeadsResource, patience_seconds: float = PATIENCE_SECONDS) -> AuditResource:
    return AuditResource(settings.postgres, settings.schedule, heads, patience_seconds)


def audit_from(settings: Settings, patience_seconds: float = PATIENCE_SECONDS) -> AuditResource:
    """Return the audit, with its object store, for use outside of a run."""
    return _audit(settings, HeadsResource(settings.audit, store_from(settings)), patience_seconds)


def store_from(settings: Settings) -> ObjectStoreResource:
    """Return the object store for use outside of a run."""
    return ObjectStoreResource(settings.store)


def flow_source_from(settings: Settings) -> FlowSourceResource:
    """Return the source of flows for use outside of a run."""
    return FlowSourceResource(settings.flows, store_from(settings))


def verifier_from(audit: AuditResource) -> Verifier:
    """Return the verifier of the audit and of all that it names."""
    return Verifier(audit.connect().engine, audit.store.open(), audit.store.bucket_prefix, _trusted(audit))


def heads_from(audit: AuditResource) -> Heads:
    """Return the signed heads in the object store, which may exist without the audit.

    Raises:
        SettingsError: A trusted key is invalid.
    """
    return Heads(audit.store.open(), f"{audit.store.bucket_prefix}-{phases.EVALUATION.bucket}", _trusted(audit))


def _trusted(audit: AuditResource) -> list[str]:
    settings = audit.heads.settings
    return trusted_keys(settings.home, settings.trusted_keys, audit.heads.signing_key)


defs = build_definitions()
