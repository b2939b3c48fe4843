"""The commands `cybersec audit …`: the audit's questions, its check, and its housekeeping."""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cybersec_assets.errors import SettingsError, quoted
from cybersec_assets.settings import load_settings

if TYPE_CHECKING:
    from cybersec_assets.audit.queries import Audit, Row

audit_app = typer.Typer(help="Ask the audit what ran, on which data, with which result.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
MOST_FINDINGS = 1_000
SINCE = "Check only what was written from this moment on: ISO 8601, UTC."
GRACE = "Seconds for which a phase's lock must stay free before it is taken for dead."
DELETE = "Delete orphan objects that are old enough; a dry run, unless --no-dry-run is given."
OLDER = "How old an orphan object must be to be deleted, in hours."


@audit_app.command("last-run")
def last_run(as_json: AsJson = False) -> None:
    """When each phase ran last, and how it ended."""
    _show("Last run of each phase", lambda audit: audit.last_run(), as_json=as_json)


@audit_app.command()
def lineage(model: Annotated[str, typer.Argument(help="An object's name or URI.")], as_json: AsJson = False) -> None:
    """Which data trained a model: its object, all that it was made from, and what it was made with."""
    from cybersec_assets import render

    title = f"What {model} was made from"
    if as_json:
        _show(title, lambda audit: audit.lineage(model), as_json=True)
        return
    rows = _ask(lambda audit: audit.lineage(model))
    render.show(title, render.event_table(render.with_files(rows), render.LINEAGE_COLUMNS))
    for line in render.made_with(rows[0]):
        typer.echo(line)


@audit_app.command("models-from")
def models_from(
    file: Annotated[str, typer.Argument(help="A source file's path, name or SHA-256.")], as_json: AsJson = False
) -> None:
    """Which models were trained from a source file."""
    from cybersec_assets.render import MODEL_COLUMNS

    title = f"Models that were trained from {file}"
    _show(title, lambda audit: audit.models_from(file), as_json=as_json, columns=MODEL_COLUMNS)


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
    from cybersec_assets.render import FAILURE_COLUMNS

    _show("Failed phases", lambda audit: audit.failures(), as_json=as_json, columns=FAILURE_COLUMNS)


@audit_app.command()
def anomalies(as_json: AsJson = False) -> None:
    """Which results stand out: anomaly rate out of its band, drift, records far off the usual of that weekday."""
    from cybersec_assets.render import ANOMALY_COLUMNS

    _show("Results that stand out", lambda audit: audit.anomalies(), as_json=as_json, columns=ANOMALY_COLUMNS)


@audit_app.command()
def verify(
    since: Annotated[str | None, typer.Option(help=SINCE, metavar="TIME")] = None, as_json: AsJson = False
) -> None:
    """Check journal, event tables, signed heads and objects against each other; exit status 1 on damage."""
    from cybersec_assets import render
    from cybersec_assets.definitions import audit_from, verifier_from

    moment = since and _moment(since)
    settings = load_settings()
    with audit_from(settings).session() as audit, audit.refusals():
        verifier = verifier_from(settings, audit)
        found = list(itertools.islice(verifier.findings(moment or None), MOST_FINDINGS))
    if as_json:
        typer.echo(render.as_json({"findings": [vars(finding) for finding in found]}))
    else:
        for finding in found:
            typer.echo(f"{finding.id:<16} {finding.table} {finding.row}: {finding.what}")
        counts = verifier.counts
        typer.echo(
            f"{len(found)} findings{' (there may be more)' if len(found) == MOST_FINDINGS else ''} in ", nl=False
        )
        typer.echo(f"{counts.entries:,} entries, {counts.heads:,} signed heads and {counts.objects:,} objects.")
    raise typer.Exit(1 if found else 0)


@audit_app.command()
def reconcile(
    grace: Annotated[float, typer.Option(help=GRACE, min=0)] = 30.0,
    delete_orphans: Annotated[bool, typer.Option("--delete-orphans", help=DELETE)] = False,
    older_than: Annotated[float, typer.Option(help=OLDER, min=1)] = 24.0,
    dry_run: Annotated[bool, typer.Option(help="With --delete-orphans: only list them.")] = True,
    as_json: AsJson = False,
) -> None:
    """Close phases whose worker is dead; list objects without a row, and rows whose object is gone or changed."""
    from cybersec_assets import render
    from cybersec_assets.housekeeping import reconcile_all

    age = dt.timedelta(hours=older_than) if delete_orphans else None
    done = reconcile_all(load_settings(), grace, delete_older_than=age, dry_run=dry_run)
    if as_json:
        typer.echo(render.as_json(vars(done)))
    else:
        for line in render.reconciliation(done, dry_run=dry_run):
            typer.echo(line)
    raise typer.Exit(1 if done.damaged else 0)


@audit_app.command("public-key")
def public_key() -> None:
    """Print the public half of the key that signs heads: what another machine puts into AUDIT_TRUSTED_KEYS."""
    from cybersec_assets.definitions import audit_from
    from cybersec_assets.heads.keys import public_half

    typer.echo(public_half(audit_from(load_settings()).heads.key()))


def _moment(text: str) -> dt.datetime:
    """Read a time, UTC unless it says otherwise, as the database keeps it: without a zone."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--since {quoted(text)} is no time", "Give it as 2026-11-22 or 2026-11-22T10:00") from None
    return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _ask(ask: "Callable[[Audit], list[Row]]") -> "list[Row]":
    from cybersec_assets.definitions import audit_from

    with audit_from(load_settings()).session() as audit:
        return ask(audit.ask())


def _show(
    title: str, ask: "Callable[[Audit], list[Row]]", *, as_json: bool, columns: Sequence[str] | None = None
) -> None:
    from cybersec_assets import render
    from cybersec_assets.definitions import audit_from

    rows: list[dict[str, Any]] = _ask(ask)
    if as_json:
        typer.echo(render.as_json(rows))
    elif rows:
        render.show(title, render.event_table(rows, columns or render.EVENT_COLUMNS))
    else:
        typer.echo(f"{title}: none in {audit_from(load_settings()).location}.")
