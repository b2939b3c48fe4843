"""Run a day from a shell, in this process. Dagster's instance records the run, so that the UI shows it."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.execution.api import execute_run_iterator
from dagster._core.instance.ref import InstanceRef
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster_shared.error import SerializableErrorInfo

from cybersec_assets import errors as own_errors
from cybersec_assets import phases
from cybersec_assets.definitions import build_definitions
from cybersec_assets.errors import LINE_CHARS, RunInterruptedError, SettingsError, quoted, shortened
from cybersec_assets.failpoints import Point, hit
from cybersec_assets.home.day_lock import fail_dead_runs, only_run_of
from cybersec_assets.home.folders import claim, is_regular, require_own
from cybersec_assets.settings import Settings

JOB = "daily_training"
# Capturing output needs helper processes, which print a traceback on Ctrl-C. The run itself prints nothing.
NO_CAPTURE = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
"""The shell shows progress and errors itself. With another logger, the UI could not use the run's config."""
EARLIER_YAML = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"
"""The text of earlier releases, without telemetry and without the window that asks for an e-mail address."""
INSTANCE_YAML = f"""{EARLIER_YAML}concurrency:
  runs:
    tag_concurrency_limits:
      - key: dagster/partition
        limit: 1
        value:
          applyLimitPerUniqueValue: true
"""
"""At most one run of a day is active. The others wait in the queue."""
DAGSTER_FOLDERS = ("history", "schedules", "storage")
"""The folders that Dagster creates beside `dagster.yaml`."""
OWN_INSTANCE = "Set DAGSTER_HOME to it if it is yours, or set CYBERSEC_HOME to another folder"
LOCKS = "runs"
WORKSPACE = Path(__file__).with_name("workspace.yaml")
"""The code location's workspace file. That in the repository's root is a copy."""
Notify = Callable[[str, str], None]
NOTES_SHOWN = 5
OUTSIDE_DAY = "within_day"
READ_LOG = " Read the run's log in `cybersec ui`."
OWN_ERRORS = {name for name in vars(own_errors) if name.endswith("Error")}


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        run_id: Dagster's ID of the run.
        errors: One line for each phase that failed.
        exit_status: 0, or that of the first error.
        notes: What the user should know about the results.
    """

    run_id: str
    errors: list[str]
    exit_status: int
    notes: list[str]


def use_instance(home: Path) -> None:
    """Set DAGSTER_HOME to a folder below CYBERSEC_HOME, unless it is set.

    Raises:
        SettingsError: It is not the absolute path of an existing folder, or the folder below CYBERSEC_HOME contains
            files that cybersec-assets did not create.
    """
    if given := os.environ.get("DAGSTER_HOME"):
        if not (Path(given).is_absolute() and Path(given).is_dir()):
            raise SettingsError(
                f"DAGSTER_HOME={quoted(given)} is not the absolute path of an existing folder",
                "Create the folder, or unset DAGSTER_HOME",
            )
        return
    folder = claim(home.resolve() / "dagster", _is_earlier_instance, OWN_INSTANCE)
    settings_file = folder / "dagster.yaml"
    # The user's own settings are kept.
    if not settings_file.exists() or settings_file.read_bytes() == EARLIER_YAML.encode():
        temporary = settings_file.with_name(f".{settings_file.name}.{os.getpid()}")
        temporary.write_text(INSTANCE_YAML)
        temporary.replace(settings_file)
    os.environ["DAGSTER_HOME"] = str(folder)


def _is_earlier_instance(folder: Path) -> bool:
    """Return whether a folder looks like the Dagster instance of a release without markers.

    The user may have edited `dagster.yaml`, so the check is for the folders that Dagster creates beside it. Before
    Dagster has created them, the check is for the text that those releases wrote.
    """
    settings_file = folder / "dagster.yaml"
    if not is_regular(settings_file):
        return False
    if any((folder / name).is_dir() and not (folder / name).is_symlink() for name in DAGSTER_FOLDERS):
        return True
    return settings_file.read_text(errors="replace").startswith(EARLIER_YAML)


def require_lock_folder(home: Path) -> None:
    """Check the folder of locks without creating it.

    Raises:
        SettingsError: The folder contains files that cybersec-assets did not create.
    """
    require_own(home.resolve() / LOCKS, lambda _folder: False)


def run_day(day: str, settings: Settings, notify: Notify, limits: Mapping[str, float] | None = None) -> RunResult:
    """Run `daily_training` for a day.

    Args:
        day: The partition's key.
        settings: The sources, stores and database.
        notify: Called with an asset's key and `STEP_START`, `STEP_SUCCESS` or `STEP_FAILURE`.
        limits: Values of the raw layer's config, by field.

    Raises:
        RunInProgressError: Another process is running the day.
    """
    job = build_definitions(settings).resolve_job_def(JOB)
    locks = settings.home.resolve() / LOCKS
    with _instance() as instance:
        fail_dead_runs(instance, locks)
        with only_run_of(day, locks) as note:
            # `execute_in_process` sets no origins, and without them the UI does not list the run.
            run = instance.create_run_for_job(
                job,
                run_config={"loggers": QUIET, "ops": {phases.RAW.op: {"config": dict(limits or {})}}},
                tags={**job.run_tags, **job.get_tags_for_partition_key(day, None)},
                remote_job_origin=_remote_origin(),
                job_code_origin=_code_origin(),
            )
            note(run.run_id)
            events = list(_notified(execute_run_iterator(InMemoryJob(job), run, instance), notify))
    return result_of(run.run_id, events)


def fail_dead_runs_of(home: Path) -> None:
    """Mark the runs of a home whose process was killed as failed."""
    locks = home.resolve() / LOCKS
    if any(locks.glob("*")):
        with _instance() as instance:
            fail_dead_runs(instance, locks)


def _instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(os.environ["DAGSTER_HOME"], overrides=NO_CAPTURE))


def _remote_origin() -> RemoteJobOrigin:
    """Return the job's origin in the workspace that `cybersec ui` opens."""
    (location,) = location_origins_from_yaml_paths([str(WORKSPACE)])
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), JOB)


def _code_origin() -> JobPythonOrigin:
    """Return the origin with which another process imports the job."""
    pointer = CodePointer.from_module("cybersec_assets.definitions", "defs", working_directory=None)
    repository = RepositoryPythonOrigin(sys.executable, pointer, entry_point=DEFAULT_DAGSTER_ENTRY_POINT)
    return JobPythonOrigin(JOB, repository)


def _notified(events: Iterator[dg.DagsterEvent], notify: Notify) -> Iterator[dg.DagsterEvent]:
    """Yield the events, and call `notify` for each step's start and end."""
    for event in events:
        if event.is_step_materialization:
            hit(Point.EVENT_WRITTEN)
        if event.event_type_value.startswith("STEP_") and event.step_key:
            notify(event.step_key.replace("__", "/"), event.event_type_value)
        yield event


def result_of(run_id: str, events: Sequence[dg.DagsterEvent]) -> RunResult:
    """Return how a run ended, from all of its events in order."""
    success = any(event.event_type is dg.DagsterEventType.RUN_SUCCESS for event in events)
    errors = list[str]()
    status = 0 if success else 2
    for event in events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        known = data.user_failure_data
        if data.error and data.error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
            interrupted = RunInterruptedError()
            return RunResult(run_id, [str(interrupted)], interrupted.exit_status, [])
        errors.append(str(known.description) if known else _cause_of(data.error))
        if known and len(errors) == 1:
            status = int(str(known.metadata["exit_status"].value))
    if not success and not errors:
        errors.append(_before_first_phase(events))
    return RunResult(run_id, errors, status, [*_notes(events), *_warnings(events)])


def _notes(events: Sequence[dg.DagsterEvent]) -> Iterator[str]:
    """Yield notes about dropped data and about the source."""
    for event in events:
        if not event.is_step_materialization:
            continue
        metadata: dict[str, Any] = {name: entry.value for name, entry in event.materialization.metadata.items()}
        if metadata.get("rejected_lines"):
            yield f"damaged lines left out: {metadata['rejected_lines']:,} ({metadata['rejected_share']:.2%})"
        if metadata.get("label_warning"):
            yield metadata["label_warning"]
        notes = metadata.get("source_notes", [])
        yield from notes[:NOTES_SHOWN]
        if len(notes) > NOTES_SHOWN:
            yield f"the same for {len(notes) - NOTES_SHOWN:,} more files, which the run's log names"
        dropped = sum(metadata.get("dropped", {}).values())
        if dropped:
            yield f"repeated records left out of silver: {dropped:,}"


def _warnings(events: Sequence[dg.DagsterEvent]) -> Iterator[str]:
    """Yield the checks that warn, and the share of flows outside of the day."""
    for event in events:
        if event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        check = event.asset_check_evaluation_data
        value = check.metadata["value"].value
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
            # The phase's error reports it already.
            continue
        if check.check_name == OUTSIDE_DAY and value:
            why = f". {check.description}" if check.description else ""
            yield f"{value:.2%} of the flows began outside of the day{why}"
        if not check.passed:
            yield check.description or f"check {check.check_name} failed: {value:.4g}"


def _before_first_phase(events: Sequence[dg.DagsterEvent]) -> str:
    """Return why a run failed before its first phase, for example because a resource could not be created."""
    for event in events:
        if event.event_type is dg.DagsterEventType.RUN_FAILURE and event.job_failure_data.error:
            return _cause_of(event.job_failure_data.error)
    return f"the run failed before its first phase.{READ_LOG}"


def _cause_of(error: SerializableErrorInfo | None) -> str:
    """Return the root cause of an error. The project's own errors contain a remedy already."""
    if error is None:
        return f"the run failed.{READ_LOG}"
    cause = error
    while cause.cause:
        cause = cause.cause
    name, _, text = cause.message.partition(": ")
    if cause.cls_name in OWN_ERRORS and name.rpartition(".")[2] == cause.cls_name:
        return shortened(text)
    message = shortened(cause.message, LINE_CHARS - len(READ_LOG) - 1)
    return f"{message.rstrip('.')}.{READ_LOG}"
