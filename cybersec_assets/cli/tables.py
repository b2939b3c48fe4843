"""Print tables that fit the terminal: cells are folded, and less important columns are left out.

The width is `COLUMNS`, or the terminal's where that is not set. Output to a file or a pipe is not narrowed.
"""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

MEASURED_WITH = 10_000
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
        keep: The headers of the columns that are left out last.
    """
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
    return _table(columns, _widths(columns, width)), left_out


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


def _table(columns: Sequence[_Column], widths: Sequence[int]) -> Table:
    table = new_table()
    for column, width in zip(columns, widths, strict=True):
        header = Text("\n".join(fold(column.header, width)))
        table.add_column(header, justify="right" if column.is_number else "left", no_wrap=True)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text("\n".join(fold(cell, width))) for cell, width in zip(row, widths, strict=True)))
    return table
