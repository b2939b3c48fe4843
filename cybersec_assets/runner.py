"""One day's run from a shell, in this process, recorded in Dagster's instance so that the UI shows it."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from cybersec_assets.definitions import build_definitions
from cybersec_assets.errors import SettingsError
from cybersec_assets.partitions import daily_partitions
from cybersec_assets.settings import Settings

PROGRESS = "progress"
INSTANCE_YAML = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"
"""Nothing is sent out, and no window asks for an address."""
Notify = Callable[[str, str], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run_id: Dagster's.
        errors: One line for each phase that failed, none where the run is good.
        exit_status: 0, or what the first error asks for.
    """

    run_id: str
    errors: list[str]
    exit_status: int


def use_instance(home: Path) -> None:
    """Set DAGSTER_HOME where it is unset, to a folder below CYBERSEC_HOME.

    Raises:
        SettingsError: It is set to something else than an existing folder's absolute path.
    """
    if given := os.environ.get("DAGSTER_HOME"):
        if not (Path(given).is_absolute() and Path(given).is_dir()):
            raise SettingsError(f"DAGSTER_HOME={given!r} is no folder's absolute path", "Make the folder, or unset it")
        return
    folder = home.resolve() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings_file = folder / "dagster.yaml"
    if not settings_file.exists():
        settings_file.write_text(INSTANCE_YAML)
    os.environ["DAGSTER_HOME"] = str(folder)


def require_day(day: str, settings: Settings) -> None:
    """Refuse a day that is no partition.

    Raises:
        SettingsError: It lies before the start date or after yesterday, or is no date.
    """
    if not daily_partitions(settings.cybersec_start_date).has_partition_key(day):
        start = settings.cybersec_start_date
        raise SettingsError(f"{day} is no day from {start} to yesterday", "Give --date, or set CYBERSEC_START_DATE")


def run_day(day: str, settings: Settings, notify: Notify) -> Outcome:
    """Run `daily_training` for a day.

    Args:
        day: The partition's key.
        settings: Where from and where to.
        notify: Called with an asset's key and `STEP_START`, `STEP_SUCCESS` or `STEP_FAILURE`.
    """
    definitions = build_definitions(settings, loggers={PROGRESS: _progress_logger(notify)})
    with dg.DagsterInstance.get() as instance:
        result = definitions.resolve_job_def("daily_training").execute_in_process(
            run_config={"loggers": {PROGRESS: {}}}, partition_key=day, instance=instance, raise_on_error=False
        )
    return _outcome(result)


def _outcome(result: dg.ExecuteInProcessResult) -> Outcome:
    errors, status = list[str](), 0 if result.success else 2
    for event in result.filter_events(lambda event: event.is_step_failure):
        data = event.step_failure_data
        known = data.user_failure_data
        errors.append(str(known.description) if known else _unforeseen(data))
        if known and len(errors) == 1:
            status = int(str(known.metadata["exit_status"].value))
    if not result.success and not errors:
        errors.append("the run failed before its first phase. Read its log in `cybersec ui`.")
    return Outcome(result.run_id, errors, status)


def _unforeseen(data: Any) -> str:
    cause = data.error.cause or data.error
    return f"{' '.join(cause.message.split())} Read the run's log in `cybersec ui`."


def _progress_logger(notify: Notify) -> dg.LoggerDefinition:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event = getattr(record, "dagster_event", None)
            if event is not None and event.event_type_value.startswith("STEP_") and event.step_key:
                notify(event.step_key.replace("__", "/"), event.event_type_value)

    @dg.logger(config_schema={}, description="Tells the command line how far the run is.")
    def progress(_context: dg.InitLoggerContext) -> logging.Logger:
        told = logging.Logger(PROGRESS, logging.DEBUG)  # noqa: LOG001 - it is this run's alone
        told.addHandler(Handler())
        return told

    return progress
