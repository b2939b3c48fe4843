"""The command `cybersec`. Exit status: 0 success, 1 a finding, 2 wrong usage or unreachable service, 130 interrupted.

Each command imports the heavy modules that it needs, so that help and errors appear at once.
"""

import datetime as dt
import os
import socket
import sys
import traceback
from importlib import metadata
from typing import Annotated, NoReturn

import typer

from cybersec_assets.cli import interrupts
from cybersec_assets.cli.audit import AsJson, Wide, audit_app
from cybersec_assets.cli.stores import stores_app
from cybersec_assets.errors import CybersecError, SettingsError, first_line
from cybersec_assets.redaction import redact
from cybersec_assets.settings import load_settings

# Without markup, help is plain text and never truncates an option's name on a narrow terminal.
app = typer.Typer(
    help="Turn daily flow logs into an audited anomaly detector.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(audit_app, name="audit")
app.add_typer(stores_app, name="stores")


def _show_version(is_set: bool) -> None:  # noqa: FBT001 - typer passes the value by position
    if is_set:
        typer.echo(f"cybersec-assets {metadata.version('cybersec-assets')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    date: Annotated[
        str | None, typer.Option(help="The day, YYYY-MM-DD, in the sensor's time zone. Default: yesterday.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="The first of several days. Each day is a run.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last of several days.")] = None,
    flows_uri: Annotated[str | None, typer.Option(help="A path, glob or s3:// URL. Overrides FLOWS_URI.")] = None,
    flows_format: Annotated[str | None, typer.Option(help="Overrides FLOWS_FORMAT.")] = None,
    flows_columns: Annotated[str | None, typer.Option(help="Overrides FLOWS_COLUMNS.")] = None,
    max_outside_day: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Maximum share of flows that began outside of the day. Default: 0.2."),
    ] = None,
    max_rejected_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Maximum share of damaged lines. Default: 0.01.")
    ] = None,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Create the raw, silver and gold layers of a day, or of several days, and show the results."""
    given = {"FLOWS_URI": flows_uri, "FLOWS_FORMAT": flows_format, "FLOWS_COLUMNS": flows_columns}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    _require_one_choice(date, first, last)
    limits = {"max_outside_day": max_outside_day, "max_rejected_share": max_rejected_share}
    changed = {name: value for name, value in limits.items() if value is not None}
    if first is not None and last is not None:
        from cybersec_assets.cli.run_days import run_days_and_report

        raise typer.Exit(run_days_and_report(first, last, settings, changed, as_json=as_json))
    from cybersec_assets.cli.run import run_and_report
    from cybersec_assets.defs.partitions import yesterday

    day = date or yesterday(settings.schedule.zone, dt.datetime.now(dt.UTC))
    raise typer.Exit(run_and_report(day, settings, changed, wide=wide, as_json=as_json))


def _require_one_choice(date: str | None, first: str | None, last: str | None) -> None:
    if date is not None and (first is not None or last is not None):
        raise SettingsError("--date cannot be combined with --from or --to", "Use --date, or --from and --to")
    if (first is None) != (last is None):
        raise SettingsError("--from and --to must be used together", "Add the other one, or use --date for one day")


@app.command()
def ui(port: Annotated[int, typer.Option(help="The port of the UI.", min=1, max=65535)] = 3000) -> None:
    """Start Dagster's UI for this project. Stop it with Ctrl-C."""
    from cybersec_assets.operations.run_day import WORKSPACE, fail_dead_runs_of, use_instance

    _require_free(port)
    home = load_settings().home
    use_instance(home)
    fail_dead_runs_of(home)
    # With `-m`, Dagster would name the code location after the module, and its schedules would be different ones.
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(WORKSPACE), "-p", str(port)]
    os.execv(sys.executable, command)  # noqa: S606 - Dagster replaces this process, so that it receives the signals


@app.command()
def metrics(
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)] = 9464,
    host: Annotated[str, typer.Option(help="The address to listen on. 0.0.0.0 means all.")] = "127.0.0.1",
) -> None:
    """Serve the audit's metrics to Prometheus. Stop it with Ctrl-C."""
    from cybersec_assets.operations.metrics_server import serve_metrics

    serve_metrics(load_settings(), host, port)


def _require_free(port: int) -> None:
    """Refuse a port that is in use, because Dagster would start a second daemon."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SettingsError(f"port {port} is in use, perhaps by another UI", "Use another --port")


def main() -> None:
    """Run the command. Report errors that a user can cause in one line, without a traceback."""
    try:
        app()
    except CybersecError as error:
        _exit(f"error: {error}", error.exit_status)
    except OSError as error:
        _exit(
            f"error: {first_line(error)}. Check the permissions and the free space of CYBERSEC_HOME.",
            CybersecError.exit_status,
        )
    except KeyboardInterrupt:
        _exit(interrupts.LINE, interrupts.EXIT_STATUS)
    except Exception:  # noqa: BLE001 - the traceback of a bug must not contain secrets
        _exit(redact(traceback.format_exc()).rstrip("\n"), 1)
    except SystemExit as ended:
        # Typer prints nothing when a command is interrupted.
        if interrupts.were_seen() and ended.code == interrupts.EXIT_STATUS:
            _exit(interrupts.LINE, interrupts.EXIT_STATUS)
        raise


def _exit(line: str, status: int) -> NoReturn:
    """Print a message on standard error and exit. After an interrupt, print that instead of the errors it caused."""
    was_interrupted = interrupts.were_seen()
    typer.echo(interrupts.LINE if was_interrupted else line, err=True)
    sys.exit(interrupts.EXIT_STATUS if was_interrupted else status)
