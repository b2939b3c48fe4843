"""Run a day and show it on the command line: the progress, then the results and the most anomalous flows."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cybersec_assets.audit.journal.queries import Row, artifact_of
from cybersec_assets.audit.journal.reconcile import live_phases
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.cli import interrupts, tables
from cybersec_assets.definitions import audit_from, flow_source_from
from cybersec_assets.defs.partitions import day_of, require_day
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.errors import AuditError, RunInProgressError, StoreError, UnsafeStoreError, quoted
from cybersec_assets.flows.source import SYNTHETIC
from cybersec_assets.home.audit_folder import require_audit_folder
from cybersec_assets.operations.run_day import RunResult, require_lock_folder, run_day, use_instance
from cybersec_assets.phases import EVALUATION, RAW
from cybersec_assets.postgres.embedded import has_cluster
from cybersec_assets.settings import Settings
from cybersec_assets.stores.base import fetch_object

TOP_ANOMALIES = 10
FLOW_COLUMNS = ["timestamp", "src_ip", "dst_ip", "dst_port", "protocol", "bytes", "duration", "label", "anomaly_score"]
STEP_ENDS = {"STEP_SUCCESS": "[green]done", "STEP_FAILURE": "[red]FAILED", "STEP_SKIPPED": "skipped"}


@dataclass(frozen=True)
class DayReport:
    """The results of a day's run.

    Attributes:
        day: The partition's key.
        result: How the run ended.
        rows: The audit's rows of the run.
        metrics: The metrics of the evaluation. None if there was no evaluation.
        top_anomalies: The most anomalous flows. None if they cannot be read.
    """

    day: str
    result: RunResult
    rows: list[Row]
    metrics: dict[str, Any] | None
    top_anomalies: pl.DataFrame | None


def run_and_report(
    day: str, settings: Settings, limits: Mapping[str, float], *, as_json: bool, wide: bool = False
) -> int:
    """Run a day and show the results.

    Args:
        day: The partition's key.
        settings: The sources, stores and database.
        limits: See `run_day`.
        as_json: Print one JSON document and no progress.
        wide: Show all columns of tables, even on a narrow terminal.

    Returns:
        The exit status.

    Raises:
        CybersecError: No run was started, because it cannot succeed: the day is not a partition, a setting is invalid,
            no log matches, the audit cannot be reached, objects on the S3 server could be overwritten, or another run
            of the day is in progress.
    """
    require_day(day, settings.schedule.start_date, settings.schedule.zone)
    require_logs(day, settings)
    with audit_of_runs(settings) as audit:
        report = report_of(day, audit, settings, limits, quiet=as_json)
    if as_json:
        typer.echo(tables.as_json(document(report, settings)))
    else:
        _summarize(report, settings, audit, wide=wide)
    return report.result.exit_status


@contextmanager
def audit_of_runs(settings: Settings) -> Iterator[AuditResource]:
    """Open the audit for runs and for reading their results. An embedded server runs until the block ends.

    Raises:
        UnsafeStoreError: Objects on the S3 server could be overwritten.
        AuditError: The audit cannot be reached, or the home contains files of another program.
        SettingsError: The home contains files of another program.
    """
    interrupts.raise_from_now()
    # A home with files of another program is refused before anything is created in it.
    require_audit_folder(settings.home)
    require_lock_folder(settings.home)
    if settings.postgres.host is None:
        has_cluster(settings.home)
    audit = audit_from(settings)
    _require_safe_store(audit.store)
    use_instance(settings.home)
    with audit.session():
        audit.connect()
        audit.heads.key()
        yield audit


def require_logs(day: str, settings: Settings) -> None:
    """Check a day's source before its run, so that a mistyped setting does not mark the day as failed.

    Raises:
        CybersecError: A setting is invalid, or no log matches.
    """
    source = flow_source_from(settings).source()
    source.mapping(day_of(day))
    source.files_of(day_of(day))


def report_of(
    day: str, audit: AuditResource, settings: Settings, limits: Mapping[str, float], *, quiet: bool
) -> DayReport:
    """Run a day, print its errors, and return its results.

    Raises:
        RunInProgressError: Another run of the day is in progress.
    """
    phases = live_phases(audit.connect(), day)
    if phases:
        raise RunInProgressError(day, phases[0].run_id)
    result = run_day(day, settings, lambda *_: None, limits) if quiet else _run_showing_progress(day, settings, limits)
    for error in result.errors:
        print_error(error)
    rows, metrics = _recorded(audit, result)
    return DayReport(day, result, rows, metrics, _top_anomalies(rows, audit.store))


def _require_safe_store(store: ObjectStoreResource) -> None:
    """Refuse an S3 server on which objects could be overwritten. The run records one that cannot be reached."""
    try:
        store.require_conditional_writes()
    except UnsafeStoreError:
        raise
    except StoreError:
        return


def _run_showing_progress(day: str, settings: Settings, limits: Mapping[str, float]) -> RunResult:
    columns = (SpinnerColumn(), TextColumn("{task.description:<24}"), TextColumn("{task.fields[state]}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        tasks = {asset: progress.add_task(asset, total=1, start=False, visible=False, state="") for asset in PHASES}

        def notify(asset: str, event: str) -> None:
            if asset not in tasks:
                return
            if event == "STEP_START":
                progress.start_task(tasks[asset])
                progress.update(tasks[asset], visible=True, state="running")
            elif event in STEP_ENDS:
                progress.update(tasks[asset], completed=1, state=STEP_ENDS[event])

        return run_day(day, settings, notify, limits)


def _recorded(audit: AuditResource, result: RunResult) -> tuple[list[Row], dict[str, Any] | None]:
    """Return the audit's rows and metrics of a run. Print an error of the audit unless the run failed."""
    try:
        return audit.ask().of_run(result.run_id), audit.ask().metrics(result.run_id)
    except AuditError as error:
        if not result.errors:
            print_error(str(error))
        return [], None


def _top_anomalies(rows: list[Row], store: ObjectStoreResource) -> pl.DataFrame | None:
    """Return the day's most anomalous flows, read from the evaluation's object."""
    made = [row for row in rows if row["asset"] == EVALUATION.asset and row["uri"]]
    if not made:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "eval.parquet"
        try:
            fetch_object(store.open(), artifact_of(made[0]), file)
        except StoreError as error:
            # The run was successful and is recorded, even if its flows cannot be shown now.
            print_error(str(error))
            return None
        # Flows with the same score are sorted by time, so that two runs show the same flows.
        order = ["anomaly_score", *FLOW_COLUMNS[:2]]
        ranked = pl.scan_parquet(file).select(FLOW_COLUMNS).top_k(TOP_ANOMALIES, by=order)
        return ranked.sort(order, descending=True).collect(engine="streaming")


def source_of(report: DayReport, settings: Settings) -> str:
    """Return where a day's flows came from, as text."""
    rows = report.rows
    files = [entry["file"] for row in rows if row["asset"] == RAW.asset for entry in row["inputs"]]
    if files == [SYNTHETIC]:
        return f"synthetic, as {'FLOWS_FORMAT is synthetic' if settings.flows.uri else 'FLOWS_URI is not set'}"
    more = f", the first of {len(files)} files" if len(files) > 1 else ""
    if files:
        return f"{files[0]}{more}"
    return f"none were read from {quoted(settings.flows.uri)}" if settings.flows.uri else "none"


def print_error(error: str) -> None:
    """Print an error on standard error."""
    typer.echo(f"error: {error}", err=True)


def document(report: DayReport, settings: Settings) -> dict[str, Any]:
    """Return a day's report as a JSON document."""
    result = report.result
    return {
        "date": report.day,
        "run_id": result.run_id,
        "success": not result.errors,
        "errors": result.errors,
        "notes": result.notes,
        "flows": source_of(report, settings),
        "phases": report.rows,
        "metrics": report.metrics,
        "top_anomalies": None if report.top_anomalies is None else report.top_anomalies.to_dicts(),
    }


def _summarize(report: DayReport, settings: Settings, audit: AuditResource, *, wide: bool) -> None:
    rows = report.rows
    shown = report.top_anomalies
    if rows:
        table = tables.event_table(rows, tables.RUN_COLUMNS)
        tables.show(f"Audit records of {report.day}", table, wide=wide, keep=("records", "uri"))
    if report.metrics is not None and shown is not None:
        typer.echo(tables.metrics_lines(report.metrics, wide=wide))
        tables.show(f"The {shown.height} most anomalous flows", tables.flow_table(shown), wide=wide)
    for note in report.result.notes:
        typer.echo(f"note      {note}")
    typer.echo(f"flows     {source_of(report, settings)}")
    show_places(audit)


def show_places(audit: AuditResource) -> None:
    """Print the places of the objects and the audit, and how to open the UI."""
    typer.echo(f"objects   {audit.store.location}")
    typer.echo(f"audit     {audit.location}")
    typer.echo(f"the UI    {sys.argv[0]} ui")
