"""The job `daily_training_pods` with a process in place of each pod: no step sees another's memory or scratch."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import dagster as dg
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import StepDelegatingExecutor
from dagster._core.executor.step_delegating.step_handler import (
    CheckStepHealthResult,
    StepHandler,
    StepHandlerContext,
)

from cybersec_assets.definitions import build_definitions

FORGED_BEFORE = "CYBERSEC_TEST_FORGED_BEFORE"
"""The step before which somebody overwrites each object of the raw layer."""
FORGERY = b"forged"


class StepProcesses(StepHandler):
    """Start each step as its pod would: the same command, in an environment with a scratch folder of its own."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self._processes = dict[str, subprocess.Popen[bytes]]()

    @property
    def name(self) -> str:
        """Name what it is."""
        return "StepProcesses"

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Start a step's process."""
        arguments = step_handler_context.execute_step_args
        (step,) = arguments.step_keys_to_execute
        if os.environ.get(FORGED_BEFORE) == step:
            _forge()
        scratch = Path(os.environ["CYBERSEC_SCRATCH"]) / step
        environment = os.environ | {"CYBERSEC_SCRATCH": str(scratch)}
        _, *command = arguments.get_command_args()
        self._processes[step] = subprocess.Popen([sys.executable, "-m", "dagster", *command], env=environment)
        yield from ()

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Tell whether a step's process lives, or has ended well."""
        (step,) = step_handler_context.execute_step_args.step_keys_to_execute
        status = self._processes[step].poll()
        return CheckStepHealthResult(not status, f"ended with {status}" if status else None)

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """End a step's process."""
        (step,) = step_handler_context.execute_step_args.step_keys_to_execute
        self._processes[step].terminate()
        yield from ()


@dg.executor(name="step_processes", requirements=multiple_process_executor_requirements())
def step_processes(_context: dg.InitExecutorContext) -> dg.Executor:
    """Give the executor."""
    return StepDelegatingExecutor(StepProcesses(), RetryMode.DISABLED, check_step_health_interval_seconds=1)


def _forge() -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://{os.environ['MINIO_ENDPOINT']}",
        region_name="us-east-1",
        aws_access_key_id=os.environ["MINIO_ACCESS_KEY"],
        aws_secret_access_key=os.environ["MINIO_SECRET_KEY"],
    )
    bucket = f"{os.environ['CYBERSEC_BUCKET_PREFIX']}-raw"
    for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.put_object(Bucket=bucket, Key=entry["Key"], Body=FORGERY)


defs = build_definitions(pods=step_processes)
