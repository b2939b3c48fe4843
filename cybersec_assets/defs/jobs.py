"""The jobs, their executors and the schedule. There are no sensors."""

from typing import TYPE_CHECKING

import dagster as dg
from dagster import _check as check
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements

from cybersec_assets.defs.partitions import DAY_FORMAT, yesterday
from cybersec_assets.errors import SettingsError, quoted
from cybersec_assets.settings import ScheduleSettings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

WHOLE_GRAPH = {"dagster/retry_strategy": "ALL_STEPS", "dagster/retry_on_asset_or_op_failure": "false"}
"""A run is one unit with one scratch folder: a retried run starts over, and only a crash is retried."""


def daily_training_job() -> "UnresolvedAssetJobDefinition":
    """Return the job `daily_training`: the whole graph for one day."""
    return dg.define_asset_job(
        "daily_training",
        dg.AssetSelection.all(),
        tags=WHOLE_GRAPH,
        description="Raw, silver, model and evaluation of one day, in one run.",
    )


def daily_training_pods_job(executor: dg.ExecutorDefinition, account: str | None) -> "UnresolvedAssetJobDefinition":
    """Return the job `daily_training_pods`: the same graph for a large day, each step in a pod of its own.

    Args:
        executor: Creates the pods.
        account: The Kubernetes service account of the run's own pod, which may create pods. Steps need none.
    """
    pod = {"service_account_name": account, "automount_service_account_token": True}
    return dg.define_asset_job(
        "daily_training_pods",
        dg.AssetSelection.all(),
        tags=WHOLE_GRAPH | ({"dagster-k8s/config": {"pod_spec_config": pod}} if account else {}),
        description="The same as daily_training, each step in a pod of its own; on Kubernetes only.",
        executor_def=executor,
    )


def daily_training_schedule(job: "UnresolvedAssetJobDefinition", settings: ScheduleSettings) -> dg.ScheduleDefinition:
    """Return the schedule `daily_training_schedule`, which runs the last day that is over, once.

    Args:
        job: The job that it runs.
        settings: The days and the times. At 02:00 UTC the day before is not over yet in New York.

    Raises:
        SettingsError: The cron expression is not valid.
    """
    start = settings.start_date
    zone = settings.zone

    def for_the_day_before(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = yesterday(zone, context.scheduled_execution_time)
        if day < start.strftime(DAY_FORMAT):
            return dg.SkipReason(f"{day} is before {start}, CYBERSEC_START_DATE")
        return dg.RunRequest(run_key=day, partition_key=day, tags=WHOLE_GRAPH)

    try:
        return dg.schedule(
            job=job,
            name="daily_training_schedule",
            cron_schedule=settings.cron,
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING if settings.enabled else dg.DefaultScheduleStatus.STOPPED,
            description="Runs daily_training for the day before.",
        )(for_the_day_before)
    except dg.DagsterInvalidDefinitionError as error:
        raise SettingsError(
            f"CYBERSEC_SCHEDULE_CRON={quoted(settings.cron)} is not a valid cron expression",
            "Use five fields, such as '0 2 * * *'",
        ) from error


@dg.executor(name="pod_per_step", requirements=multiple_process_executor_requirements())
def pod_per_step(context: dg.InitExecutorContext) -> dg.Executor:
    """Return Dagster's `k8s_job_executor`, which runs each step in a pod of its own.

    It takes no configuration. Otherwise a launch could give steps an image and volumes that the run launcher forbids.

    Raises:
        SettingsError: This process has no token of a Kubernetes API.
    """
    # 70 MB and 2 seconds, which only runs of this job should pay.
    from dagster_k8s import k8s_job_executor
    from kubernetes.config import ConfigException

    config: dict[str, object] = {"retries": {"disabled": {}}}
    inner = dg.InitExecutorContext(context.job, k8s_job_executor, config, context.instance)
    try:
        return check.not_none(k8s_job_executor.executor_creation_fn)(inner)
    except ConfigException as error:
        raise SettingsError(
            f"this process cannot create pods: {error}",
            "Launch daily_training instead, or set runs.podPerStep=true in the chart's values",
        ) from error
