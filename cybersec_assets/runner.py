"""One day's run from a shell, in this process, recorded in Dagster's instance so that the UI shows it."""

import datetime as dt
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from cybersec_assets.definitions import build_definitions
from cybersec_assets.errors import SettingsError
from cybersec_assets.partitions import DAY_FORMAT, daily_partitions, day_of
from cybersec_assets.settings import Settings

PROGRESS = "progress"
OUTSIDE_DAY = "within_day"
# Capturing what is printed takes helper processes, which Ctrl-C would end with a traceback; the run prints nothing.
NO_CAPTURE = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
INTERRUPTED = 130
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
        notes: What a person should know of a run that is good.
    """

    run_id: str
    errors: list[str]
    exit_status: int
    notes: list[str]


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
    if read_day(day) < settings.cybersec_start_date:
        start = settings.cybersec_start_date
        raise SettingsError(
            f"{day} is before CYBERSEC_START_DATE={start}", f"Set CYBERSEC_START_DATE={day}, or earlier"
        )
    if not daily_partitions(settings.cybersec_start_date).has_partition_key(day):
        raise SettingsError(f"{day} is not over yet (UTC)", "Give a day up to yesterday")


def read_day(text: str) -> dt.date:
    """Read a day as a person gives it.

    Raises:
        SettingsError: It is no date.
    """
    try:
        day = day_of(text)
    except ValueError:
        day = None
    if day is None or day.strftime(DAY_FORMAT) != text:
        raise SettingsError(f"{text!r} is no date", "Give it as YYYY-MM-DD")
    return day


def run_day(day: str, settings: Settings, notify: Notify) -> Outcome:
    """Run `daily_training` for a day.

    Args:
        day: The partition's key.
        settings: Where from and where to.
        notify: Called with an asset's key and `STEP_START`, `STEP_SUCCESS` or `STEP_FAILURE`.
    """
    definitions = build_definitions(settings, loggers={PROGRESS: _progress_logger(notify)})
    with dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(os.environ["DAGSTER_HOME"], overrides=NO_CAPTURE)
    ) as instance:
        result = definitions.resolve_job_def("daily_training").execute_in_process(
            run_config={"loggers": {PROGRESS: {}}}, partition_key=day, instance=instance, raise_on_error=False
        )
    return _outcome(result)


def _outcome(result: dg.ExecuteInProcessResult) -> Outcome:
    errors, status = list[str](), 0 if result.success else 2
    for event in result.filter_events(lambda event: event.is_step_failure):
        data = event.step_failure_data
        known = data.user_failure_data
        if data.error and data.error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
            return Outcome(result.run_id, ["the run was interrupted. Run it again."], INTERRUPTED, [])
        errors.append(str(known.description) if known else _unforeseen(data))
        if known and len(errors) == 1:
            status = int(str(known.metadata["exit_status"].value))
    if not result.success and not errors:
        errors.append("the run failed before its first phase. Read its log in `cybersec ui`.")
    return Outcome(result.run_id, errors, status, list(_notes(result)))


def _notes(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Tell what was left out, and which figures stand out."""
    for event in result.filter_events(lambda event: event.is_step_materialization):
        told: dict[str, Any] = {name: entry.value for name, entry in event.materialization.metadata.items()}
        if told.get("rejected_lines"):
            yield f"{told['rejected_lines']} damaged lines were left out ({told['rejected_share']:.2%})"
        if dropped := sum(told.get("dropped", {}).values()):
            yield f"{dropped} repeated records were left out of silver"
    for check in result.get_asset_check_evaluations():
        figure = check.metadata["value"].value
        if check.check_name == OUTSIDE_DAY and figure:
            yield f"{figure:.2%} of the flows began outside of the day"
        if not check.passed:
            yield f"{check.check_name} does not hold: {figure:.4g}"


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
