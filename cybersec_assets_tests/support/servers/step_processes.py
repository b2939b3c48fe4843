"""The job `daily_training_pods` with processes instead of pods, so that steps share neither memory nor scratch."""

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
"""The step before which each object of the raw layer is overwritten."""
FORGERY = b"forged"


class StepProcesses(StepHandler):
    """Start each step with the command of its pod and a scratch folder of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._processes = dict[str, subprocess.Popen[bytes]]()

    @property
    def name(self) -> str:
        """Return the handler's name."""
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
        """Return whether a step's process runs or has succeeded."""
        (step,) = step_handler_context.execute_step_args.step_keys_to_execute
        status = self._processes[step].poll()
        return CheckStepHealthResult(not status, f"ended with {status}" if status else None)

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Terminate a step's process."""
        (step,) = step_handler_context.execute_step_args.step_keys_to_execute
        self._processes[step].terminate()
        yield from ()


@dg.executor(name="step_processes", requirements=multiple_process_executor_requirements())
def step_processes(_context: dg.InitExecutorContext) -> dg.Executor:
    """Return the executor."""
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
