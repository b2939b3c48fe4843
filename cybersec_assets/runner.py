"""One day's run from a shell, in this process, recorded in Dagster's instance so that the UI shows it."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from cybersec_assets.audit import tables
from cybersec_assets.definitions import build_definitions
from cybersec_assets.errors import SettingsError, quoted
from cybersec_assets.outcome import Outcome, outcome_of
from cybersec_assets.settings import Settings
from cybersec_assets.write_path import Point, reached

PROGRESS = "progress"
RAW_OP = tables.RAW.replace("/", "__")
# Capturing what is printed takes helper processes, which Ctrl-C would end with a traceback; the run prints nothing.
NO_CAPTURE = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
INSTANCE_YAML = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"
"""Nothing is sent out, and no window asks for an address."""
Notify = Callable[[str, str], None]


def use_instance(home: Path) -> None:
    """Set DAGSTER_HOME where it is unset, to a folder below CYBERSEC_HOME.

    Raises:
        SettingsError: It is set to something else than an existing folder's absolute path.
    """
    if given := os.environ.get("DAGSTER_HOME"):
        if not (Path(given).is_absolute() and Path(given).is_dir()):
            raise SettingsError(
                f"DAGSTER_HOME={quoted(given)} is no folder's absolute path", "Make the folder, or unset it"
            )
        return
    folder = home.resolve() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings_file = folder / "dagster.yaml"
    if not settings_file.exists():
        settings_file.write_text(INSTANCE_YAML)
    os.environ["DAGSTER_HOME"] = str(folder)


def run_day(day: str, settings: Settings, notify: Notify, limits: Mapping[str, float] | None = None) -> Outcome:
    """Run `daily_training` for a day.

    Args:
        day: The partition's key.
        settings: Where from and where to.
        limits: Values in place of the raw layer's own, by the config field's name.
        notify: Called with an asset's key and `STEP_START`, `STEP_SUCCESS` or `STEP_FAILURE`.
    """
    definitions = build_definitions(settings, loggers={PROGRESS: _progress_logger(notify)})
    with dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(os.environ["DAGSTER_HOME"], overrides=NO_CAPTURE)
    ) as instance:
        result = definitions.resolve_job_def("daily_training").execute_in_process(
            run_config={"loggers": {PROGRESS: {}}, "ops": {RAW_OP: {"config": dict(limits or {})}}},
            partition_key=day,
            instance=instance,
            raise_on_error=False,
        )
    return outcome_of(result)


def _progress_logger(notify: Notify) -> dg.LoggerDefinition:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event = getattr(record, "dagster_event", None)
            if event is not None and event.is_step_materialization:
                reached(Point.EVENT_WRITTEN)
            if event is not None and event.event_type_value.startswith("STEP_") and event.step_key:
                notify(event.step_key.replace("__", "/"), event.event_type_value)

    @dg.logger(config_schema={}, description="Tells the command line how far the run is.")
    def progress(_context: dg.InitLoggerContext) -> logging.Logger:
        told = logging.Logger(PROGRESS, logging.DEBUG)  # noqa: LOG001 - it is this run's alone
        told.addHandler(Handler())
        return told

    return progress
