"""Run several days one after the other, and print a line for each at the end."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import typer

from cybersec_assets.cli import interrupts, tables
from cybersec_assets.cli.run import (
    DayReport,
    audit_of_runs,
    document,
    print_error,
    report_of,
    require_logs,
    show_places,
    source_of,
)
from cybersec_assets.definitions import flow_source_from
from cybersec_assets.defs.partitions import read_day, require_day
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.errors import CybersecError, RunInterruptedError, SettingsError
from cybersec_assets.operations.run_day import RunResult
from cybersec_assets.phases import RAW
from cybersec_assets.settings import Settings

INTERRUPTED = RunInterruptedError.exit_status
RESULTS = {0: "SUCCESS", INTERRUPTED: "interrupted"}
RUN_CHARS = 8
"""The number of characters of a run's ID that Dagster's UI shows."""


def run_days_and_report(
    first: str, last: str, settings: Settings, limits: Mapping[str, float], *, as_json: bool
) -> int:
    """Run several days, the oldest first, and show the result of each.

    The days after a failed day are still run. An interrupt stops the whole range.

    Args:
        first: The first partition's key.
        last: The last partition's key.
        settings: The sources, stores and database.
        limits: See `run_day`.
        as_json: Print one JSON document and no progress.

    Returns:
        The exit status: 0, 1 if a day failed, 130 if the user interrupted.

    Raises:
        CybersecError: No day can succeed: `first` or `last` is not a partition, `last` is before `first`, a setting
            is invalid, the audit cannot be reached, or objects on the S3 server could be overwritten.
    """
    days = _days(first, last, settings)
    # An invalid setting would fail every day, so it is refused before the first. A missing log fails only its day.
    flow_source_from(settings).source().mapping(read_day(first))
    reports = list[DayReport]()
    with audit_of_runs(settings) as audit:
        for number, day in enumerate(days, start=1):
            if not as_json:
                typer.echo(f"{day}, day {number} of {len(days)}", err=True)
            reports.append(_report_of(day, audit, settings, limits, quiet=as_json))
            status = reports[-1].result.exit_status
            if status == INTERRUPTED:
                break
            if status and number < len(days) and not as_json:
                typer.echo(f"{day} failed; continuing with {days[number]}", err=True)
    not_run = days[len(reports) :]
    if as_json:
        typer.echo(tables.as_json(_document(first, last, reports, not_run, settings)))
    else:
        _summarize(reports, not_run, settings, audit)
    statuses = {report.result.exit_status for report in reports}
    return INTERRUPTED if INTERRUPTED in statuses else int(statuses != {0})


def _days(first: str, last: str, settings: Settings) -> list[str]:
    """Return the keys of a range of partitions.

    Raises:
        SettingsError: `first` or `last` is not a partition, or `last` is before `first`.
    """
    for day in (first, last):
        require_day(day, settings.schedule.start_date, settings.schedule.zone)
    start = read_day(first)
    count = (read_day(last) - start).days + 1
    if count < 1:
        raise SettingsError(f"--to {last} is before --from {first}", "Use the earlier day as --from")
    return [(start + dt.timedelta(days=number)).isoformat() for number in range(count)]


def _report_of(
    day: str, audit: AuditResource, settings: Settings, limits: Mapping[str, float], *, quiet: bool
) -> DayReport:
    """Run a day. An error that prevents the run becomes the day's result."""
    error: CybersecError
    try:
        require_logs(day, settings)
        return report_of(day, audit, settings, limits, quiet=quiet)
    except CybersecError as refused:
        error = refused
    except KeyboardInterrupt:
        # The summary reports the interrupt.
        interrupts.forget()
        error = RunInterruptedError()
    print_error(str(error))
    return DayReport(day, RunResult("", [str(error)], error.exit_status, []), [], None, None)


def _document(
    first: str, last: str, reports: list[DayReport], not_run: list[str], settings: Settings
) -> dict[str, Any]:
    return {
        "from": first,
        "to": last,
        "success": not not_run and all(report.result.exit_status == 0 for report in reports),
        "days": [document(report, settings) for report in reports],
        "not_run": not_run,
    }


def _summarize(reports: list[DayReport], not_run: list[str], settings: Settings, audit: AuditResource) -> None:
    """Print a line for each day, each day's notes and source, and the number of days with each result."""
    typer.echo(f"{'day':<10}  {'result':<11}  {'records':>13}  {'anomaly rate':>12}  run")
    for report in reports:
        records = next((f"{row['records']:,}" for row in report.rows if row["asset"] == RAW.asset), "")
        rate = f"{report.metrics['anomaly_rate']:.4f}" if report.metrics else ""
        run = report.result.run_id[:RUN_CHARS]
        typer.echo(f"{report.day}  {_result(report):<11}  {records:>13}  {rate:>12}  {run}".rstrip())
    for day in not_run:
        typer.echo(f"{day}  not run")
    for report in reports:
        for note in report.result.notes:
            typer.echo(f"note      {report.day}: {note}")
    # A day that was refused before its run has no source.
    sources = {report.day: source_of(report, settings) for report in reports if report.rows}
    if len(set(sources.values())) == 1:
        typer.echo(f"flows     {next(iter(sources.values()))}")
    else:
        for day, source in sources.items():
            typer.echo(f"flows     {day}: {source}")
    show_places(audit)
    results = [_result(report) for report in reports]
    counts = {"done": results.count("SUCCESS"), "failed": results.count("FAILED")}
    unfinished = {"interrupted": results.count("interrupted"), "not run": len(not_run)}
    first, *others = [(count, what) for what, count in (counts | unfinished).items() if count]
    unit = "day" if first[0] == 1 else "days"
    typer.echo(", ".join([f"{first[0]} {unit} {first[1]}", *(f"{count} {what}" for count, what in others)]))


def _result(report: DayReport) -> str:
    return RESULTS.get(report.result.exit_status, "FAILED")
