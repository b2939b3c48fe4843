"""The commands `cybersec audit …`: query, verify and reconcile the audit."""

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cybersec_assets.cli import interrupts
from cybersec_assets.errors import QUOTED_CHARS, NoRecordError, SettingsError, quoted, shortened
from cybersec_assets.settings import load_settings

if TYPE_CHECKING:
    from cybersec_assets.audit.journal.queries import Audit, Row
    from cybersec_assets.defs.resources.audit import AuditResource

audit_app = typer.Typer(
    help="Show what ran, on which data and with which result, and verify the audit.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wide = Annotated[bool, typer.Option("--wide", help="Show all columns of tables, even on a narrow terminal.")]
MOST_FINDINGS = 1_000
SINCE = "Verify only what was written since this time: ISO 8601, UTC."
GRACE = "Seconds for which a phase's lock must stay free before the phase counts as dead."
DELETE = "Delete old orphan objects. Without --no-dry-run, only list them."
OLDER = "The minimum age of an orphan object to delete, in hours."


@audit_app.command("last-run")
def last_run(wide: Wide = False, as_json: AsJson = False) -> None:
    """Show when each phase ran last, and how it ended."""
    view = View("Last run of each phase", wide=wide, as_json=as_json, keep=("at",))
    _show(view, lambda audit: audit.last_run())


@audit_app.command()
def lineage(
    model: Annotated[str, typer.Argument(help="An object's name or URI.")], wide: Wide = False, as_json: AsJson = False
) -> None:
    """Show which data trained a model, with its parameters, code and libraries."""
    from cybersec_assets.cli import tables

    with _audit() as audit:
        if not audit.exists():
            problem = f"no runs here yet: {audit.location} has no object {shortened(model, QUOTED_CHARS)}"
            raise NoRecordError(problem, "Start with `cybersec run`, or correct CYBERSEC_HOME, PG_HOST and PG_DATABASE")
        rows = audit.ask().lineage(model)
    if as_json:
        typer.echo(tables.as_json(rows))
        return
    table = tables.event_table(tables.with_files(rows), tables.LINEAGE_COLUMNS)
    tables.show(f"Lineage of {model}", table, wide=wide, keep=("uri",))
    for line in tables.provenance_lines(rows[0], wide=wide):
        typer.echo(line)


@audit_app.command("models-from")
def models_from(
    file: Annotated[str, typer.Argument(help="A source file's path, name or SHA-256.")],
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Show which models were trained from a source file."""
    from cybersec_assets.cli.tables import MODEL_COLUMNS

    view = View(f"Models trained from {file}", MODEL_COLUMNS, wide=wide, as_json=as_json)
    _show(view, lambda audit: audit.models_from(file))


@audit_app.command()
def records(
    date: Annotated[str | None, typer.Option(help="Show only this day, YYYY-MM-DD.")] = None,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Show how many records each phase handled."""
    from cybersec_assets.defs.partitions import read_day

    day = date and read_day(date).isoformat()
    view = View("Records handled", wide=wide, as_json=as_json, keep=("records",))
    _show(view, lambda audit: audit.records(day))


@audit_app.command()
def failures(wide: Wide = False, as_json: AsJson = False) -> None:
    """Show which phases failed, and why."""
    from cybersec_assets.cli.tables import FAILURE_COLUMNS

    view = View("Failed phases", FAILURE_COLUMNS, wide=wide, as_json=as_json)
    _show(view, lambda audit: audit.failures())


@audit_app.command()
def anomalies(wide: Wide = False, as_json: AsJson = False) -> None:
    """Show unusual results: an anomaly rate outside of its limits, drift, or an unusual number of records."""
    from cybersec_assets.cli.tables import ANOMALY_COLUMNS

    view = View("Unusual results", ANOMALY_COLUMNS, wide=wide, as_json=as_json)
    _show(view, lambda audit: audit.anomalies())


@audit_app.command()
def verify(
    since: Annotated[str | None, typer.Option(help=SINCE, metavar="TIME")] = None, as_json: AsJson = False
) -> None:
    """Verify journal, event tables, signed heads and objects against each other. Exit with 1 if there is damage."""
    from cybersec_assets.audit.verify.findings import JOURNAL, Damage, Finding
    from cybersec_assets.audit.verify.verifier import Counts
    from cybersec_assets.cli import tables
    from cybersec_assets.definitions import heads_from, verifier_from

    moment = _moment(since) if since else None
    with _audit() as audit:
        if audit.exists():
            with audit.translate_errors():
                verifier = verifier_from(audit)
                found = list(itertools.islice(verifier.findings(moment), MOST_FINDINGS))
            counts = verifier.counts
        elif heads := heads_from(audit).last():
            # Signed heads show that the audit existed and was deleted.
            what = f"there is no {audit.location}, but the object store has {heads:,} signed heads of it"
            found = [Finding(Damage.TAIL_CUT, JOURNAL, 0, what)]
            counts = Counts(heads=heads)
        else:
            audit.require()
    if as_json:
        typer.echo(tables.as_json({"findings": [vars(finding) for finding in found]}))
    else:
        for finding in found:
            typer.echo(f"{finding.id:<16} {finding.table} {finding.row}: {finding.what}")
        more = " (there may be more)" if len(found) == MOST_FINDINGS else ""
        typer.echo(f"{len(found)} findings{more} in ", nl=False)
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
    """Close phases of dead processes. List objects without a row, and rows whose object is missing or changed."""
    from cybersec_assets.cli import tables
    from cybersec_assets.operations.reconcile import reconcile_all

    age = dt.timedelta(hours=older_than) if delete_orphans else None
    interrupts.raise_from_now()
    done = reconcile_all(load_settings(), grace, delete_older_than=age, dry_run=dry_run)
    if as_json:
        typer.echo(tables.as_json(vars(done)))
    else:
        for line in tables.reconciliation_lines(done, dry_run=dry_run):
            typer.echo(line)
    raise typer.Exit(1 if done.damaged else 0)


@audit_app.command("public-key")
def public_key() -> None:
    """Print the public key for AUDIT_TRUSTED_KEYS of other machines."""
    from cybersec_assets.audit.heads.keys import has_signing_key
    from cybersec_assets.home.audit_folder import public_half

    settings = load_settings()
    with _audit() as audit:
        if not has_signing_key(settings.home, audit.heads.signing_key):
            problem = f"no runs here yet: there is no signing key in {settings.home}"
            raise NoRecordError(problem, "Start with `cybersec run`, which creates one, or set AUDIT_SIGNING_KEY")
        typer.echo(public_half(audit.heads.key()))


def _moment(text: str) -> dt.datetime:
    """Return a time in the past as the database stores it: in UTC, without a zone. UTC is the default zone."""
    try:
        moment = dt.datetime.fromisoformat(text)
        utc = moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        raise SettingsError(
            f"--since {quoted(text)} is not a valid time", "Use a form such as 2026-11-22 or 2026-11-22T10:00"
        ) from None
    now = dt.datetime.now(dt.UTC)
    if utc > now:
        problem = f"--since {quoted(text)} is in the future, so nothing would be verified"
        raise SettingsError(problem, f"Use a time before {now:%Y-%m-%dT%H:%M} (UTC)")
    return utc.replace(tzinfo=None)


@contextmanager
def _audit() -> "Iterator[AuditResource]":
    """Open the audit of the environment."""
    from cybersec_assets.definitions import audit_from

    settings = load_settings()
    interrupts.raise_from_now()
    with audit_from(settings).session() as audit:
        yield audit


@dataclass(frozen=True)
class View:
    """How the rows of a query are shown.

    Attributes:
        title: The table's title.
        columns: The table's columns. Default: those of an event.
        wide: Show all columns, even on a narrow terminal.
        as_json: Print JSON instead of a table.
        keep: The columns that are left out last on a narrow terminal.
    """

    title: str
    columns: Sequence[str] | None = None
    _: KW_ONLY
    wide: bool
    as_json: bool
    keep: Sequence[str] = ()


def _show(view: View, query: "Callable[[Audit], list[Row]]") -> None:
    """Print the rows of a query. An audit that does not exist yet has no rows and is not created."""
    from cybersec_assets.cli import tables

    with _audit() as audit:
        exists = audit.exists()
        rows = query(audit.ask()) if exists else []
    if view.as_json:
        typer.echo(tables.as_json(rows))
    elif not exists:
        typer.echo(f"{view.title}: none in {audit.location}: no runs here yet.")
    elif rows:
        table = tables.event_table(rows, view.columns or tables.EVENT_COLUMNS)
        tables.show(view.title, table, wide=view.wide, keep=view.keep)
    else:
        typer.echo(f"{view.title}: none in {audit.location}.")
