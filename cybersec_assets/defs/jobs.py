"""The jobs that make a day's model, and the schedule that runs one for the day before. There are no sensors."""

import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg

from cybersec_assets.defs.partitions import DAY_FORMAT, yesterday
from cybersec_assets.errors import SettingsError, quoted
from cybersec_assets.flows.day import UTC

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

WHOLE_GRAPH = {"dagster/retry_strategy": "ALL_STEPS", "dagster/retry_on_asset_or_op_failure": "false"}
"""A run is one atomic unit with one scratch folder: a retried one starts over, and only a crash is worth a retry."""


def daily_training_job() -> "UnresolvedAssetJobDefinition":
    """Give the job `daily_training`: the whole graph for one day."""
    return dg.define_asset_job(
        "daily_training",
        dg.AssetSelection.all(),
        tags=WHOLE_GRAPH,
        description="Raw, silver, model and evaluation of one day, in one run.",
    )


def daily_training_pods_job(executor: dg.ExecutorDefinition, account: str | None) -> "UnresolvedAssetJobDefinition":
    """Give the job `daily_training_pods`: the same graph for a heavy day, each step in a pod of its own.

    Args:
        executor: What makes the pods.
        account: The Kubernetes service account that may, for the pod of the run itself; steps need none.
    """
    pod = {"service_account_name": account, "automount_service_account_token": True}
    return dg.define_asset_job(
        "daily_training_pods",
        dg.AssetSelection.all(),
        tags=WHOLE_GRAPH | ({"dagster-k8s/config": {"pod_spec_config": pod}} if account else {}),
        description="The same as daily_training, each step in a pod of its own; on Kubernetes only.",
        executor_def=executor,
    )


def daily_training_schedule(
    job: "UnresolvedAssetJobDefinition", cron: str, start: dt.date, zone: ZoneInfo = UTC, *, enabled: bool
) -> dg.ScheduleDefinition:
    """Return the schedule `daily_training_schedule`: the last day that is over at its scheduled time, once.

    Args:
        job: The job that it runs.
        cron: Its cron expression, in UTC.
        start: The first day.
        zone: The time zone of the days. At 02:00 UTC the day before is not over yet in New York.
        enabled: Whether it starts switched on.

    Raises:
        SettingsError: The cron expression is not valid.
    """

    def for_the_day_before(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = yesterday(zone, context.scheduled_execution_time)
        if day < start.strftime(DAY_FORMAT):
            return dg.SkipReason(f"{day} is before {start}, CYBERSEC_START_DATE")
        return dg.RunRequest(run_key=day, partition_key=day, tags=WHOLE_GRAPH)

    try:
        return dg.schedule(
            job=job,
            name="daily_training_schedule",
            cron_schedule=cron,
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING if enabled else dg.DefaultScheduleStatus.STOPPED,
            description="Runs daily_training for the day before.",
        )(for_the_day_before)
    except dg.DagsterInvalidDefinitionError as error:
        raise SettingsError(
            f"CYBERSEC_SCHEDULE_CRON={quoted(cron)} is no cron string", "Give five fields, such as '0 2 * * *'"
        ) from error
