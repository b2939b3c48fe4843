"""A pod for each step of a run: Dagster's `k8s_job_executor`, as the job `daily_training_pods` uses it.

It takes no configuration: a person at the Launchpad could otherwise give steps an image and volumes, past what the run
launcher allows.
"""

import dagster as dg
from dagster import _check as check
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements

from cybersec_assets.errors import SettingsError

CONFIG: dict[str, object] = {"retries": {"disabled": {}}}
"""A run is one unit, which starts over as a whole or not at all."""


@dg.executor(name="pod_per_step", requirements=multiple_process_executor_requirements())
def pod_per_step(context: dg.InitExecutorContext) -> dg.Executor:
    """Give the executor.

    Raises:
        SettingsError: This process has no token of a Kubernetes API.
    """
    # 70 MB and 2 seconds, which only runs of this job should pay.
    from dagster_k8s import k8s_job_executor
    from kubernetes.config import ConfigException

    inner = dg.InitExecutorContext(context.job, k8s_job_executor, CONFIG, context.instance)
    try:
        return check.not_none(k8s_job_executor.executor_creation_fn)(inner)
    except ConfigException as error:
        raise SettingsError(
            f"no pods can be made from here: {error}",
            "Launch daily_training instead, or set runs.podPerStep=true in the chart's values",
        ) from error
