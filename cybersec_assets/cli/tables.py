"""Show what the audit and the store contain: tables that fit the terminal, lines of text, and JSON.

A table is as wide as `COLUMNS`, or as the terminal if that is not set. Cells are folded, and less important columns are
left out. Output to a file or a pipe is not narrowed.
"""

import datetime as dt
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import polars as pl

    from cybersec_assets.audit.journal.queries import Row
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
"""The headers of columns whose header is not their name."""
GROUPED = {"records", "rejected", "bytes", "size_bytes", "file_size"}
"""The columns of amounts, whose digits are grouped."""
MEASURED_WITH = 10_000
"""The width at which a table is measured, in characters."""
GAP = 2
FOLDED = {
    "asset": 16,
    "at (UTC)": 10,
    "trained_at": 10,
    "time (UTC)": 10,
    "uri": 24,
    "error": 24,
    "model": 20,
    "file": 20,
    "what": 16,
    "src_ip": 15,
    "dst_ip": 15,
    "sha256": 16,
    "file_sha256": 16,
    "run": 18,
}
"""The columns whose cells may be folded, with their smallest width in characters."""
DROPPED = (
    *("run", "file_sha256", "sha256", "file_size", "size_bytes", "rejected", "attempt", "records", "label"),
    *("duration", "protocol", "uri", "low", "high", "trained_at", "at (UTC)", "time (UTC)", "bytes", "dst_port"),
    *("day", "value", "error", "file"),
)
"""The columns that are left out of a table that is too wide, in this order."""
BREAK_AFTER = re.compile(r"(?<=[/_\-, =])")


@dataclass
class _Column:
    header: str
    cells: list[str]
    is_number: bool

    @property
    def widest(self) -> int:
        return max(cell_len(self.header), self.widest_cell)

    @property
    def widest_cell(self) -> int:
        return max((cell_len(cell) for cell in self.cells), default=0)

    @property
    def narrowest(self) -> int:
        header = max(cell_len(part) for part in BREAK_AFTER.split(self.header))
        cells = self.widest_cell if self.header not in FOLDED else min(self.widest_cell, FOLDED[self.header])
        return max(header, cells)


def terminal_width() -> int | None:
    """Return the largest length of a line in characters, or None where the output is not a terminal."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def show(title: str, table: Table, *, wide: bool = False, keep: Sequence[str] = ()) -> None:
    """Print a table.

    Args:
        title: The table's title.
        table: The table. Its cells are text.
        wide: Print all columns in full, even on a narrow terminal.
        keep: The names of the columns that are left out last.
    """
    keep = [HEADERS.get(name, name) for name in keep]
    width = None if wide else terminal_width()
    left_out: list[str] = []
    if width is not None:
        title = "\n".join(fold(title, width))
        table, left_out = fitted(table, width, keep)
    # Markup is off, because rich would read brackets in a value as a style.
    needed = Console(width=MEASURED_WITH, markup=False, emoji=False).measure(table).maximum
    out = Console(width=max(needed, 1), markup=False, emoji=False, highlight=False, soft_wrap=True)
    out.print(title, style="bold")
    out.print(table, crop=False, no_wrap=True)
    if left_out:
        for line in wrapped(f"not shown: {', '.join(left_out)} (--wide shows all)"):
            out.print(line, style="dim")


def fitted(table: Table, width: int, keep: Sequence[str] = ()) -> tuple[Table, list[str]]:
    """Return a table that is at most `width` characters wide, and the headers of the columns that were left out."""
    columns = [
        _Column(str(column.header), [str(cell) for cell in column.cells], column.justify == "right")
        for column in table.columns
    ]
    left_out: list[str] = []
    order = [name for name in DROPPED if name not in keep] + [name for name in DROPPED if name in keep]
    while _narrowest(columns) > width and len(columns) > 1:
        headers = [column.header for column in columns]
        dropped = next((name for name in order if name in headers), headers[-1])
        left_out.append(dropped)
        columns.pop(headers.index(dropped))
    return _fitted_table(columns, _widths(columns, width)), left_out


def new_table() -> Table:
    """Return an empty table in the project's style."""
    return Table(header_style="dim", box=None, pad_edge=False)


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return the lines of a text, wrapped between words to the terminal's width."""
    width = terminal_width()
    if width is None or len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def fold(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` characters, broken after separators where possible."""
    lines = [""]
    for part in BREAK_AFTER.split(text):
        if cell_len(lines[-1]) + cell_len(part.rstrip()) > width and lines[-1]:
            lines.append("")
        for character in part:
            if cell_len(lines[-1]) + cell_len(character) > width and (lines[-1] and character != " "):
                lines.append("")
            lines[-1] += character
    return [line.rstrip() for line in lines]


def as_json(value: Any) -> str:
    """Return a value as JSON. Times are ISO 8601 with their zone."""
    return json.dumps(value, default=_plain, indent=2)


def event_table(rows: "Sequence[Row]", columns: Sequence[str] = EVENT_COLUMNS) -> Table:
    """Return a table of rows of the audit. Columns without a value are left out."""
    counted = [row | {"rejected": (row.get("rejected") or {}).get("lines")} for row in rows]
    return _full_table(columns, [[row[name] for name in columns] for row in counted])


def with_files(rows: "Sequence[Row]") -> "list[Row]":
    """Return the rows of a lineage, followed by a row for each source file."""
    empty = dict.fromkeys(LINEAGE_COLUMNS)
    files = [entry for row in rows for entry in row["inputs"] if "file" in entry]
    return [*rows] + [
        empty | {"asset": "source", "uri": f["file"], "size_bytes": f.get("size"), "sha256": f.get("sha256")}
        for f in files
    ]


def provenance_lines(row: "Row", *, wide: bool = False) -> list[str]:
    """Return the lines about an artifact's parameters, code and libraries."""
    provenance = {"with": row["details"], "code": row["code_version"], "libraries": row["libraries"]}
    lines = [f"{name:<9} {_on_one_line(value)}" for name, value in provenance.items() if value]
    return lines if wide else [part for line in lines for part in wrapped(line, " " * 10)]


def reconciliation_lines(done: "Reconciled", *, dry_run: bool) -> list[str]:
    """Return the lines about what `audit reconcile` found and did."""
    would = "would be deleted" if dry_run else "deleted"
    lines = [f"abandoned {each['asset']} for {each['partition_key']}, run {each['run_id']}" for each in done.abandoned]
    lines += [f"orphan    {each['uri']} of {_cell('', each['modified'])}" for each in done.orphans]
    lines += [f"{would} {uri}" for uri in done.deleted]
    lines += [f"{each['what']:<9} {each['uri']}, of {each['table']} row {each['row']}" for each in done.damaged]
    phases = f"{len(done.abandoned)} phases abandoned, {done.alive} alive"
    objects = f"{len(done.orphans)} objects without a row, {len(done.deleted)} {would}"
    return [*lines, f"{phases}; {objects}; {len(done.damaged)} rows whose object is missing or changed."]


def flow_table(flows: "pl.DataFrame") -> Table:
    """Return a table of flows with their scores."""
    return _full_table(flows.columns, flows.rows())


def metrics_lines(metrics: dict[str, Any], *, wide: bool = False) -> str:
    """Return the main metrics of an evaluation, in as many lines as the terminal needs."""
    names = ("anomaly_rate", "score_mean", "score_std", "auroc", "average_precision", "precision_at_100")
    shown = [f"{name} {metrics[name]:.4f}" for name in names if name in metrics]
    width = None if wide else terminal_width()
    lines = [""]
    for each in shown:
        longer = f"{lines[-1]}  {each}" if lines[-1] else each
        if width is not None and len(longer) > width and lines[-1]:
            lines.append(each)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def _full_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
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
    """Escape characters that would move the terminal's cursor or change its colours."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _on_one_line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_on_one_line(part)}" for name, part in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=value.tzinfo or dt.UTC).isoformat()
    return str(value)


def _narrowest(columns: Sequence[_Column]) -> int:
    return sum(column.narrowest for column in columns) + GAP * (len(columns) - 1)


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """Return each column's width. Space that is left over goes to the columns from left to right."""
    widths = [min(column.narrowest, width) for column in columns]
    free = width - _narrowest(columns)
    for i, column in enumerate(columns):
        more = max(min(column.widest - widths[i], free), 0)
        widths[i] += more
        free -= more
    return widths


def _fitted_table(columns: Sequence[_Column], widths: Sequence[int]) -> Table:
    table = new_table()
    for column, width in zip(columns, widths, strict=True):
        header = Text("\n".join(fold(column.header, width)))
        table.add_column(header, justify="right" if column.is_number else "left", no_wrap=True)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text("\n".join(fold(cell, width))) for cell, width in zip(row, widths, strict=True)))
    return table
