"""The command `cybersec`. Exit status: 0 good, 1 a finding, 2 wrong use or unreachable service.

Heavy modules are imported by the command that needs them, so that help and errors come at once.
"""

import datetime as dt
import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cybersec_assets.errors import CybersecError, SettingsError
from cybersec_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from cybersec_assets.audit.queries import Audit, Row

app = typer.Typer(help="Daily flow logs in, an audited anomaly detector out.", no_args_is_help=True)
audit_app = typer.Typer(help="Ask the audit what ran, on which data, with which result.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def run(
    date: Annotated[str | None, typer.Option(help="The day, YYYY-MM-DD, UTC. Yesterday if not given.")] = None,
    flows_uri: Annotated[str | None, typer.Option(help="A path or glob with {date}, in place of FLOWS_URI.")] = None,
    flows_format: Annotated[str | None, typer.Option(help="In place of FLOWS_FORMAT.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a day's raw, silver and gold layers, and show what came of it."""
    given = {"flows_uri": flows_uri, "flows_format": flows_format}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    day = date or (dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)).isoformat()
    from cybersec_assets.day_report import run_and_report

    raise typer.Exit(run_and_report(day, settings, as_json=as_json))


@app.command()
def ui(port: Annotated[int, typer.Option(help="Where the UI listens.")] = 3000) -> None:
    """Open Dagster's UI on this project; Ctrl-C ends it."""
    from cybersec_assets.runner import use_instance

    _require_free(port)
    use_instance(load_settings().cybersec_home)
    command = [sys.executable, "-m", "dagster", "dev", "-m", "cybersec_assets.definitions", "-p", str(port)]
    os.execv(sys.executable, command)  # noqa: S606 - the process becomes Dagster's, so that signals reach it


@audit_app.command("last-run")
def last_run(as_json: AsJson = False) -> None:
    """When each phase ran last, and how it ended."""
    _show("Last run of each phase", lambda audit: audit.last_run(), as_json=as_json)


@audit_app.command()
def lineage(model: Annotated[str, typer.Argument(help="An object's name or URI.")], as_json: AsJson = False) -> None:
    """Which data trained a model: its object, and all that it was made from."""
    from cybersec_assets.render import LINEAGE_COLUMNS

    title = f"What {model} was made from"
    _show(title, lambda audit: audit.lineage(model), as_json=as_json, columns=LINEAGE_COLUMNS)


@audit_app.command()
def records(
    date: Annotated[str | None, typer.Option(help="Of one day only, YYYY-MM-DD.")] = None, as_json: AsJson = False
) -> None:
    """How many records each phase handled."""
    from cybersec_assets.partitions import read_day

    day = date and read_day(date).isoformat()
    _show("Records handled", lambda audit: audit.records(day), as_json=as_json)


@audit_app.command()
def failures(as_json: AsJson = False) -> None:
    """Which phases failed, and why."""
    _show("Failed phases", lambda audit: audit.failures(), as_json=as_json)


def _require_free(port: int) -> None:
    """Refuse a port that somebody listens on: Dagster itself would start a second daemon beside the first."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SettingsError(f"port {port} is in use, perhaps by a UI that is open already", "Give another --port")


def _show(title: str, ask: "Callable[[Audit], list[Row]]", *, as_json: bool, columns: Any = None) -> None:
    from cybersec_assets import render
    from cybersec_assets.definitions import audit_from

    with audit_from(load_settings()).session() as audit:
        rows = ask(audit.ask())
    if as_json:
        typer.echo(render.as_json(rows))
    elif rows:
        render.show(title, render.event_table(rows, columns or render.EVENT_COLUMNS))
    else:
        typer.echo(f"{title}: none in {audit.location}.")


def main() -> None:
    """Run the command; what a user can cause ends in one line, not in a traceback."""
    try:
        app()
    except CybersecError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:
        typer.echo(f"error: {error}. Check the permissions and the free space of CYBERSEC_HOME.", err=True)
        sys.exit(CybersecError.exit_status)
