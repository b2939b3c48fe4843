"""The job that makes a day's model, and the schedule that runs it for the day before. There are no sensors."""

import datetime as dt
from typing import TYPE_CHECKING

import dagster as dg

from cybersec_assets.partitions import DAY_FORMAT

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

WHOLE_GRAPH = {"dagster/retry_strategy": "ALL_STEPS"}
"""A retried run starts over, since a run is one atomic unit with one scratch folder."""


def daily_training_job() -> "UnresolvedAssetJobDefinition":
    """Give the job `daily_training`: the whole graph for one day."""
    return dg.define_asset_job(
        "daily_training",
        dg.AssetSelection.all(),
        tags=WHOLE_GRAPH,
        description="Raw, silver, model and evaluation of one day, in one run.",
    )


def daily_training_schedule(job: "UnresolvedAssetJobDefinition", cron: str, *, enabled: bool) -> dg.ScheduleDefinition:
    """Give the schedule `daily_training_schedule`: the day before its scheduled time, once."""

    @dg.schedule(
        job=job,
        name="daily_training_schedule",
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if enabled else dg.DefaultScheduleStatus.STOPPED,
        description="Runs daily_training for the day before.",
    )
    def for_the_day_before(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = (context.scheduled_execution_time - dt.timedelta(days=1)).strftime(DAY_FORMAT)
        return dg.RunRequest(run_key=day, partition_key=day, tags=WHOLE_GRAPH)

    return for_the_day_before
