"""A day's run as the command line shows it: how far it is, then what was written where and what is strange."""

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

from cybersec_assets.audit.heads.keys import require_audit_folder
from cybersec_assets.audit.journal.queries import Row, artifact_of
from cybersec_assets.audit.journal.reconcile import live_phases
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.cli import audit_tables as render
from cybersec_assets.cli import interrupts
from cybersec_assets.definitions import audit_from, flow_source_from, store_from
from cybersec_assets.defs.partitions import day_of, require_day
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.errors import AuditError, RunInProgressError, StoreError, UnsafeStoreError, quoted
from cybersec_assets.flows.source import SYNTHETIC
from cybersec_assets.operations.outcome import Outcome
from cybersec_assets.operations.run_day import require_lock_folder, run_day, use_instance
from cybersec_assets.phases import EVALUATION, RAW
from cybersec_assets.postgres.embedded import has_cluster
from cybersec_assets.settings import Settings
from cybersec_assets.stores.base import fetch_object

TOP_ANOMALIES = 10
Shown = pl.DataFrame | None
"""The day's most anomalous flows, where there are any to show."""
SHOWN = ["timestamp", "src_ip", "dst_ip", "dst_port", "protocol", "bytes", "duration", "label", "anomaly_score"]
STEP_ENDS = {"STEP_SUCCESS": "[green]done", "STEP_FAILURE": "[red]FAILED", "STEP_SKIPPED": "skipped"}


@dataclass(frozen=True)
class DayReport:
    """What a day's run came to.

    Attributes:
        day: The partition's key.
        outcome: How the run ended.
        rows: The audit's rows of the run.
        metrics: The evaluation's figures, if it made any.
        top_anomalies: The most anomalous flows, if there are any to show.
    """

    day: str
    outcome: Outcome
    rows: list[Row]
    metrics: dict[str, Any] | None
    top_anomalies: Shown


def run_and_report(
    day: str, settings: Settings, limits: Mapping[str, float], *, as_json: bool, wide: bool = False
) -> int:
    """Run a day and show what came of it.

    Args:
        day: The partition's key.
        settings: Where from and where to.
        limits: See `run_day`.
        as_json: For machines: no progress, one JSON document.
        wide: Show all columns of tables, however narrow the terminal is.

    Returns:
        The exit status.

    Raises:
        CybersecError: The run cannot succeed: there is no such day, a setting is invalid, no log matches, the audit
            cannot be reached, objects on the S3 server could be overwritten, or another run of the day works. Nothing
            was started.
    """
    require_day(day, settings.cybersec_start_date, settings.zone)
    require_logs(day, settings)
    with audit_of_runs(settings) as audit:
        report = report_of(day, audit, settings, limits, quiet=as_json)
    if as_json:
        typer.echo(render.as_json(document(report, settings)))
    else:
        _summarize(report, settings, wide=wide)
    return report.outcome.exit_status


@contextmanager
def audit_of_runs(settings: Settings) -> Iterator[AuditResource]:
    """Open the audit for runs and for the questions about them; an embedded server is kept up between them.

    Raises:
        UnsafeStoreError: On the S3 server objects could be overwritten.
        AuditError: The audit cannot be reached, or the home holds files of somebody else.
        SettingsError: The home holds files of somebody else.
    """
    interrupts.raise_from_now()
    # A home that holds somebody else's files is refused before anything is made in it.
    require_audit_folder(settings.cybersec_home)
    require_lock_folder(settings.cybersec_home)
    if settings.pg_host is None:
        has_cluster(settings.cybersec_home)
    _require_safe_store(settings)
    use_instance(settings.cybersec_home)
    with audit_from(settings).session() as audit:
        audit.connect()
        audit.heads.key()
        yield audit


def require_logs(day: str, settings: Settings) -> None:
    """Check a day's source before its run: a mistyped setting would mark a day as failed that may be good.

    Raises:
        CybersecError: A setting is invalid, or no log matches.
    """
    source = flow_source_from(settings).source()
    source.mapping(day_of(day))
    source.files_of(day_of(day))


def report_of(
    day: str, audit: AuditResource, settings: Settings, limits: Mapping[str, float], *, quiet: bool
) -> DayReport:
    """Run a day, print its errors, and return what came of it.

    Raises:
        RunInProgressError: Another run of the day works.
    """
    if phases := live_phases(audit.connect(), day):
        raise RunInProgressError(day, phases[0].run_id)
    outcome = _run_quietly(day, settings, limits) if quiet else _run_showing_progress(day, settings, limits)
    for error in outcome.errors:
        say(error)
    rows, metrics = _recorded(audit, outcome)
    return DayReport(day, outcome, rows, metrics, _strangest(rows, settings))


def _require_safe_store(settings: Settings) -> None:
    """Refuse an S3 server on which objects could be overwritten; one that is away is the run's to record."""
    try:
        store_from(settings).require_conditional_writes()
    except UnsafeStoreError:
        raise
    except StoreError:
        return


def _run_quietly(day: str, settings: Settings, limits: Mapping[str, float]) -> Outcome:
    return run_day(day, settings, lambda *_: None, limits)


def _run_showing_progress(day: str, settings: Settings, limits: Mapping[str, float]) -> Outcome:
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


def _recorded(audit: AuditResource, outcome: Outcome) -> tuple[list[Row], dict[str, Any] | None]:
    """Ask the audit for a run's rows and metrics; an audit that is away has failed the run, and was told."""
    try:
        return audit.ask().of_run(outcome.run_id), audit.ask().metrics(outcome.run_id)
    except AuditError as error:
        if not outcome.errors:
            say(str(error))
        return [], None


def _strangest(rows: list[Row], settings: Settings) -> Shown:
    """Read the day's most anomalous flows from the evaluation's object, if the run made one."""
    made = [row for row in rows if row["asset"] == EVALUATION.asset and row["uri"]]
    if not made:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "eval.parquet"
        try:
            fetch_object(store_from(settings).open(), artifact_of(made[0]), file)
        except StoreError as error:
            # The day is made and recorded; that its flows cannot be shown now does not undo it.
            say(str(error))
            return None
        # Flows that tie are shown in the order of time, so that two runs show the same.
        ranked = pl.scan_parquet(file).select(SHOWN).top_k(TOP_ANOMALIES, by=["anomaly_score", *SHOWN[:2]])
        return ranked.sort(["anomaly_score", *SHOWN[:2]], descending=True).collect(engine="streaming")


def source_of(report: DayReport, settings: Settings) -> str:
    """Return where a day's flows came from, for people."""
    rows = report.rows
    files = [entry["file"] for row in rows if row["asset"] == RAW.asset for entry in row["inputs"]]
    if files == [SYNTHETIC]:
        return f"synthetic, as {'FLOWS_FORMAT says' if settings.flows_uri else 'FLOWS_URI is not set'}"
    more = f", the first of {len(files)} files" if len(files) > 1 else ""
    if files:
        return f"{files[0]}{more}"
    return f"none were read from {quoted(settings.flows_uri)}" if settings.flows_uri else "none"


def say(error: str) -> None:
    """Print an error on standard error."""
    typer.echo(f"error: {error}", err=True)


def document(report: DayReport, settings: Settings) -> dict[str, Any]:
    """Return a day's report for machines."""
    outcome = report.outcome
    return {
        "date": report.day,
        "run_id": outcome.run_id,
        "success": not outcome.errors,
        "errors": outcome.errors,
        "notes": outcome.notes,
        "flows": source_of(report, settings),
        "phases": report.rows,
        "metrics": report.metrics,
        "top_anomalies": None if report.top_anomalies is None else report.top_anomalies.to_dicts(),
    }


def _summarize(report: DayReport, settings: Settings, *, wide: bool) -> None:
    rows = report.rows
    shown = report.top_anomalies
    if rows:
        table = render.event_table(rows, render.RUN_COLUMNS)
        render.show(f"What the audit says of {report.day}", table, wide=wide, keep=("records", "uri"))
    if report.metrics is not None and shown is not None:
        typer.echo(render.metrics_line(report.metrics, wide=wide))
        render.show(f"The {shown.height} most anomalous flows", render.flow_table(shown), wide=wide)
    for note in report.outcome.notes:
        typer.echo(f"note      {note}")
    typer.echo(f"flows     {source_of(report, settings)}")
    show_places(settings)


def show_places(settings: Settings) -> None:
    """Print where objects and audit are, and how to open the UI."""
    typer.echo(f"objects   {store_from(settings).location}")
    typer.echo(f"audit     {audit_from(settings).location}")
    typer.echo(f"the UI    {sys.argv[0]} ui")
