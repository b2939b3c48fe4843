"""One day's run from a shell, in this process, recorded in Dagster's instance so that the UI shows it."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import dagster as dg
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.execution.api import execute_run_iterator
from dagster._core.instance.ref import InstanceRef
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.load import location_origins_from_yaml_paths

from cybersec_assets import phases
from cybersec_assets.definitions import build_definitions
from cybersec_assets.errors import SettingsError, quoted
from cybersec_assets.failpoints import Point, hit
from cybersec_assets.home.day_lock import fail_dead_runs, only_run_of
from cybersec_assets.home.folders import claim, is_regular, require_own
from cybersec_assets.operations.outcome import Outcome, outcome_of
from cybersec_assets.settings import Settings

JOB = "daily_training"
# Capturing what is printed takes helper processes, which Ctrl-C would end with a traceback; the run prints nothing.
NO_CAPTURE = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
"""The shell shows progress and errors itself; a logger of its own would make the run's config unfit for the UI."""
EARLIER_YAML = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"
"""What earlier releases wrote: nothing is sent out, and no window asks for an address."""
INSTANCE_YAML = f"""{EARLIER_YAML}concurrency:
  runs:
    tag_concurrency_limits:
      - key: dagster/partition
        limit: 1
        value:
          applyLimitPerUniqueValue: true
"""
"""At most one run of a day works at a time; the others wait."""
DAGSTER_FOLDERS = ("history", "schedules", "storage")
"""The folders that Dagster creates beside `dagster.yaml`."""
OWN_INSTANCE = "Set DAGSTER_HOME to it if it is yours, or set CYBERSEC_HOME to another folder"
LOCKS = "runs"
WORKSPACE = Path(__file__).with_name("workspace.yaml")
"""The code location as Dagster opens it; the file of the same name in the repository's root is a copy."""
Notify = Callable[[str, str], None]


def use_instance(home: Path) -> None:
    """Set DAGSTER_HOME where it is unset, to a folder below CYBERSEC_HOME.

    Raises:
        SettingsError: It is not the absolute path of an existing folder, or the folder below CYBERSEC_HOME holds
            files that cybersec-assets did not make.
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
    # Settings that the user changed are kept.
    if not settings_file.exists() or settings_file.read_bytes() == EARLIER_YAML.encode():
        aside = settings_file.with_name(f".{settings_file.name}.{os.getpid()}")
        aside.write_text(INSTANCE_YAML)
        aside.replace(settings_file)
    os.environ["DAGSTER_HOME"] = str(folder)


def _is_earlier_instance(folder: Path) -> bool:
    """Return whether a folder looks like the Dagster instance of a release without markers.

    The user may have edited `dagster.yaml`, so what Dagster creates beside it counts. Before Dagster has created
    anything, the text that those releases wrote counts.
    """
    settings_file = folder / "dagster.yaml"
    if not is_regular(settings_file):
        return False
    made = [folder / name for name in DAGSTER_FOLDERS]
    if any(path.is_dir() and not path.is_symlink() for path in made):
        return True
    return settings_file.read_text(errors="replace").startswith(EARLIER_YAML)


def require_lock_folder(home: Path) -> None:
    """Refuse a home whose folder of locks holds files of another program, without creating anything.

    Raises:
        SettingsError: The folder holds files that cybersec-assets did not make.
    """
    require_own(home.resolve() / LOCKS, lambda _folder: False)


def run_day(day: str, settings: Settings, notify: Notify, limits: Mapping[str, float] | None = None) -> Outcome:
    """Run `daily_training` for a day.

    Args:
        day: The partition's key.
        settings: The sources, stores and database.
        limits: Values in place of the raw layer's own, by the config field's name.
        notify: Called with an asset's key and `STEP_START`, `STEP_SUCCESS` or `STEP_FAILURE`.

    Raises:
        RunInProgressError: Another process is running the day.
    """
    job = build_definitions(settings).resolve_job_def(JOB)
    locks = settings.cybersec_home.resolve() / LOCKS
    with _instance() as instance:
        fail_dead_runs(instance, locks)
        with only_run_of(day, locks) as note:
            # `execute_in_process` would leave out the origins, without which the UI's pages do not list the run.
            run = instance.create_run_for_job(
                job,
                run_config={"loggers": QUIET, "ops": {phases.RAW.op: {"config": dict(limits or {})}}},
                tags={**job.run_tags, **job.get_tags_for_partition_key(day, None)},
                remote_job_origin=_remote_origin(),
                job_code_origin=_code_origin(),
            )
            note(run.run_id)
            events = list(_notified(execute_run_iterator(InMemoryJob(job), run, instance), notify))
    return outcome_of(run.run_id, events)


def fail_dead_runs_of(home: Path) -> None:
    """Mark those runs of a home as failed whose process was killed."""
    locks = home.resolve() / LOCKS
    if any(locks.glob("*")):
        with _instance() as instance:
            fail_dead_runs(instance, locks)


def _instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(os.environ["DAGSTER_HOME"], overrides=NO_CAPTURE))


def _remote_origin() -> RemoteJobOrigin:
    """Return the job's address in the workspace that `cybersec ui` opens."""
    (location,) = location_origins_from_yaml_paths([str(WORKSPACE)])
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), JOB)


def _code_origin() -> JobPythonOrigin:
    """Return where another process finds the job's code."""
    pointer = CodePointer.from_module("cybersec_assets.definitions", "defs", working_directory=None)
    repository = RepositoryPythonOrigin(sys.executable, pointer, entry_point=DEFAULT_DAGSTER_ENTRY_POINT)
    return JobPythonOrigin(JOB, repository)


def _notified(events: Iterator[dg.DagsterEvent], notify: Notify) -> Iterator[dg.DagsterEvent]:
    """Notify of each step's start and end while its events pass."""
    for event in events:
        if event.is_step_materialization:
            hit(Point.EVENT_WRITTEN)
        if event.event_type_value.startswith("STEP_") and event.step_key:
            notify(event.step_key.replace("__", "/"), event.event_type_value)
        yield event
