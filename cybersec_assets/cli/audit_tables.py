"""What the command line shows to people: rich tables of what the audit and the store hold."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.table import Table

from cybersec_assets.audit.journal.queries import Row
from cybersec_assets.cli.tables import new_table, terminal_width, wrapped
from cybersec_assets.cli.tables import show as show_table

if TYPE_CHECKING:
    from cybersec_assets.operations.reconcile import Reconciled

EVENT_COLUMNS = ("asset", "partition_key", "estado", "records", "rejected", "at", "uri", "error")
RUN_COLUMNS = EVENT_COLUMNS[:-1]
LINEAGE_COLUMNS = ("asset", "partition_key", "records", "rejected", "at", "uri", "size_bytes", "sha256", "run_id")
FAILURE_COLUMNS = ("asset", "partition_key", "attempt", "at", "error", "run_id")
MODEL_COLUMNS = ("model", "partition_key", "trained_at", "records", "file", "file_size", "file_sha256", "run_id")
ANOMALY_COLUMNS = ("what", "asset", "partition_key", "value", "low", "high", "uri", "run_id")
HEADERS = {
    "partition_key": "day",
    "run_id": "run",
    "at": "at (UTC)",
    "timestamp": "time (UTC)",
    "estado": "status",
}
"""What a column is called for people, where that is not its name."""
GROUPED = {"records", "rejected", "bytes", "size_bytes", "file_size"}
"""Amounts, whose digits are grouped; a port is none."""


def as_json(value: Any) -> str:
    """Write a value for machines; a time is ISO 8601 with its zone."""
    return json.dumps(value, default=_plain, indent=2)


def event_table(rows: Sequence[Row], columns: Sequence[str] = EVENT_COLUMNS) -> Table:
    """Give rows of the audit, leaving out a column that no row fills."""
    counted = [row | {"rejected": _lines(row.get("rejected"))} for row in rows]
    return _table(columns, [[row[name] for name in columns] for row in counted])


def with_files(rows: Sequence[Row]) -> list[Row]:
    """Add to the rows of a lineage one for each source file."""
    empty = dict.fromkeys(LINEAGE_COLUMNS)
    files = [entry for row in rows for entry in row["inputs"] if "file" in entry]
    return [*rows] + [
        empty | {"asset": "source", "uri": f["file"], "size_bytes": f.get("size"), "sha256": f.get("sha256")}
        for f in files
    ]


def made_with(row: Row, *, wide: bool = False) -> list[str]:
    """Return lines about what an artifact was made with: parameters, code, libraries."""
    told = {"with": row["details"], "code": row["code_version"], "libraries": row["libraries"]}
    lines = [f"{name:<9} {_on_one_line(value)}" for name, value in told.items() if value]
    return lines if wide else [part for line in lines for part in wrapped(line, " " * 10)]


def reconciliation(done: "Reconciled", *, dry_run: bool) -> list[str]:
    """Tell what `audit reconcile` found and did."""
    would = "would be deleted" if dry_run else "deleted"
    lines = [f"abandoned {each['asset']} for {each['partition_key']}, run {each['run_id']}" for each in done.abandoned]
    lines += [f"orphan    {each['uri']} of {_cell('', each['modified'])}" for each in done.orphans]
    lines += [f"{would} {uri}" for uri in done.deleted]
    lines += [f"{each['what']:<9} {each['uri']}, of {each['table']} row {each['row']}" for each in done.damaged]
    phases = f"{len(done.abandoned)} phases abandoned, {done.alive} alive"
    objects = f"{len(done.orphans)} objects without a row, {len(done.deleted)} {would}"
    return [*lines, f"{phases}; {objects}; {len(done.damaged)} rows whose object is gone or changed."]


def flow_table(flows: pl.DataFrame) -> Table:
    """Give flows, with their scores."""
    return _table(flows.columns, flows.rows())


def metrics_line(metrics: dict[str, Any], *, wide: bool = False) -> str:
    """Return the figures of an evaluation that a person asks for first, in as many lines as the terminal needs."""
    first = ("anomaly_rate", "score_mean", "score_std", "auroc", "average_precision", "precision_at_100")
    told = [f"{name} {metrics[name]:.4f}" for name in first if name in metrics]
    width = None if wide else terminal_width()
    lines = [""]
    for each in told:
        longer = f"{lines[-1]}  {each}" if lines[-1] else each
        if width is not None and len(longer) > width and lines[-1]:
            lines.append(each)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def show(title: str, table: Table, *, wide: bool = False, keep: Sequence[str] = ()) -> None:
    """Print a table that fits the terminal; see `tables.show`.

    Args:
        title: What it shows.
        table: The table.
        wide: Print all columns in full.
        keep: The names of columns that a narrow terminal loses last.
    """
    show_table(title, table, wide=wide, keep=[HEADERS.get(name, name) for name in keep])


def _lines(rejected: dict[str, Any] | None) -> int | None:
    return rejected["lines"] if rejected else None


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    filled = [i for i in range(len(columns)) if any(row[i] not in (None, "") for row in rows)]
    table = new_table()
    for i in filled:
        numeric = all(isinstance(row[i], int | float | None) for row in rows)
        table.add_column(HEADERS.get(columns[i], columns[i]), justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_printable(_cell(columns[i], row[i])) for i in filled))
    return table


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if name in GROUPED else str(value)


def _printable(text: str) -> str:
    """Escape what would move a terminal's cursor or change its colours."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _on_one_line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_on_one_line(part)}" for name, part in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=value.tzinfo or dt.UTC).isoformat()
    return str(value)
