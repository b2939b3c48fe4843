"""A day's run as the command line shows it: how far it is, then what was written where and what is strange."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cybersec_assets import render
from cybersec_assets.audit.queries import Row, artifact_of
from cybersec_assets.audit.tables import EVALUATION, PHASES, RAW
from cybersec_assets.definitions import audit_from, flow_source_from, store_from
from cybersec_assets.errors import AuditError, StoreError, UnsafeStoreError
from cybersec_assets.flows.source import SYNTHETIC
from cybersec_assets.outcome import Outcome
from cybersec_assets.partitions import day_of, require_day
from cybersec_assets.resources.audit import AuditResource
from cybersec_assets.runner import run_day, use_instance
from cybersec_assets.settings import Settings
from cybersec_assets.stores.base import fetch_object

STRANGEST = 10
Shown = pl.DataFrame | None
"""The day's strangest flows, where there are any to show."""
SHOWN = ["timestamp", "src_ip", "dst_ip", "dst_port", "protocol", "bytes", "duration", "label", "anomaly_score"]
STEP_ENDS = {"STEP_SUCCESS": "[green]done", "STEP_FAILURE": "[red]FAILED", "STEP_SKIPPED": "skipped"}


def run_and_report(day: str, settings: Settings, limits: Mapping[str, float], *, as_json: bool) -> int:
    """Run a day and show what came of it.

    Args:
        day: The partition's key.
        settings: Where from and where to.
        limits: See `run_day`.
        as_json: For machines: no progress, one JSON document.

    Returns:
        The exit status.

    Raises:
        CybersecError: The run cannot succeed: there is no such day, a setting is invalid, no log matches, the audit
            cannot be reached, or objects on the S3 server could be overwritten. Nothing was started.
    """
    require_day(day, settings.cybersec_start_date, settings.zone)
    # A mistyped setting must not start a run: it would mark a day as failed that may be good.
    source = flow_source_from(settings).source()
    source.mapping(day_of(day))
    source.files_of(day_of(day))
    _require_safe_store(settings)
    use_instance(settings.cybersec_home)
    # The session keeps an embedded server running between the run and the queries about it.
    with audit_from(settings).session() as audit:
        audit.connect()
        audit.heads.key()
        outcome = _run_quietly(day, settings, limits) if as_json else _run_showing_progress(day, settings, limits)
        for error in outcome.errors:
            _say(error)
        rows, metrics = _recorded(audit, outcome)
        strangest = _strangest(rows, settings)
    if as_json:
        typer.echo(render.as_json(_document(day, settings, outcome, rows, metrics, strangest)))
    else:
        _summarize(day, settings, outcome, rows, metrics, strangest)
    return outcome.exit_status


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
        tasks = {asset: progress.add_task(asset, total=1, start=False, state="") for asset in PHASES}

        def notify(asset: str, event: str) -> None:
            if asset not in tasks:
                return
            if event == "STEP_START":
                progress.start_task(tasks[asset])
                progress.update(tasks[asset], state="running")
            elif event in STEP_ENDS:
                progress.update(tasks[asset], completed=1, state=STEP_ENDS[event])

        return run_day(day, settings, notify, limits)


def _recorded(audit: AuditResource, outcome: Outcome) -> tuple[list[Row], dict[str, Any] | None]:
    """Ask the audit for a run's rows and metrics; an audit that is away has failed the run, and was told."""
    try:
        return audit.ask().of_run(outcome.run_id), audit.ask().metrics(outcome.run_id)
    except AuditError as error:
        if not outcome.errors:
            _say(str(error))
        return [], None


def _strangest(rows: list[Row], settings: Settings) -> Shown:
    """Read the day's most anomalous flows from the evaluation's object, if the run made one."""
    made = [row for row in rows if row["asset"] == EVALUATION and row["uri"]]
    if not made:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "eval.parquet"
        try:
            fetch_object(store_from(settings).open(), artifact_of(made[0]), file)
        except StoreError as error:
            # The day is made and recorded; that its flows cannot be shown now does not undo it.
            _say(str(error))
            return None
        # Flows that tie are shown in the order of time, so that two runs show the same.
        ranked = pl.scan_parquet(file).select(SHOWN).top_k(STRANGEST, by=["anomaly_score", *SHOWN[:2]])
        return ranked.sort(["anomaly_score", *SHOWN[:2]], descending=True).collect(engine="streaming")


def _source(rows: list[Row], settings: Settings) -> str:
    """Say where the day's flows came from, for people."""
    files = [entry["file"] for row in rows if row["asset"] == RAW for entry in row["inputs"]]
    if files == [SYNTHETIC]:
        return f"synthetic, as {'FLOWS_FORMAT says' if settings.flows_uri else 'FLOWS_URI is not set'}"
    more = f", the first of {len(files)} files" if len(files) > 1 else ""
    return f"{files[0]}{more}" if files else "none"


def _say(error: str) -> None:
    typer.echo(f"error: {error}", err=True)


def _document(
    day: str, settings: Settings, outcome: Outcome, rows: list[Row], metrics: dict[str, Any] | None, strangest: Shown
) -> dict[str, Any]:
    return {
        "date": day,
        "run_id": outcome.run_id,
        "success": not outcome.errors,
        "errors": outcome.errors,
        "notes": outcome.notes,
        "flows": _source(rows, settings),
        "phases": rows,
        "metrics": metrics,
        "strangest": None if strangest is None else strangest.to_dicts(),
    }


def _summarize(
    day: str, settings: Settings, outcome: Outcome, rows: list[Row], metrics: dict[str, Any] | None, shown: Shown
) -> None:
    if rows:
        render.show(f"What the audit says of {day}", render.event_table(rows, render.RUN_COLUMNS))
    if metrics is not None and shown is not None:
        typer.echo(render.metrics_line(metrics))
        render.show(f"The {shown.height} strangest flows", render.flow_table(shown))
    for note in outcome.notes:
        typer.echo(f"note      {note}")
    typer.echo(f"flows     {_source(rows, settings)}")
    typer.echo(f"objects   {store_from(settings).location}")
    typer.echo(f"audit     {audit_from(settings).location}")
    typer.echo(f"the UI    {sys.argv[0]} ui")
