"""A CSV's lines whose quotes do not fit, put out of the way, so that one costs no line but itself.

Polars refuses a whole file for a quote left open. The grammar: https://www.rfc-editor.org/rfc/rfc4180. Quotes within
a field that does not begin with one are text, as long as a line has an even number of quotes.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import BinaryIO

import polars as pl

from cybersec_assets.flows.line_counts import CONTINUATION
from cybersec_assets.flows.parsing.lines import SENTINEL, holds, scan_lines
from cybersec_assets.flows.staging import MAX_LINE_BYTES, StagedLog

MAX_LINES = 100
"""How many lines a field within quotes may span: each costs another look at all above it."""


def without_stray_quotes(log: StagedLog, separator: str, columns: int, headers: int) -> tuple[StagedLog, list[int]]:
    """Give a log of which every row is one to Polars, too.

    Args:
        log: The log.
        separator: What stands between two fields.
        columns: How many columns it has.
        headers: How many lines stand above its records.

    Returns:
        The log itself where its quotes fit, else a copy beside it. There a line whose quotes do not fit, and one that
        is cut, is empty but for one field more than there are columns, with SENTINEL.
        And for each line that goes on with a row, in order, the number of that row, from 0.
    """
    continued = list[int]()
    if not holds(log, '"') or not _is_any_at_fault(log, separator, columns):
        return log, continued
    damaged = separator * columns + SENTINEL + "\n"
    copy = log.path.with_name(f"{log.path.name}.quotes")
    with log.path.open("rb") as file, copy.open("wb") as to:
        to.writelines(file.readline() for _ in range(headers))
        cut = {number - log.first_line - headers for number in log.cut}
        to.writelines(_rows(file, _Grammar(separator, columns), damaged.encode(), cut, continued))
    log.line_counts.add(CONTINUATION, len(continued))
    return replace(log, path=copy), continued


def _is_any_at_fault(log: StagedLog, separator: str, columns: int) -> bool:
    """Tell whether some line is not whole by itself, or may not be."""
    text = pl.col("text").fill_null("")
    is_even = text.str.count_matches('"', literal=True) % 2 == 0
    is_short = text.str.count_matches(separator, literal=True) <= columns
    is_lenient = is_even & is_short & text.str.contains(f"^{_fields(separator, lenient=True)}$")
    is_strict = text.str.contains(f"^{_fields(separator, lenient=False)}$")
    is_whole = (is_lenient | is_strict) & pl.col("rest").is_null()
    return bool(scan_lines(log).select((~is_whole).any()).collect(engine="streaming").item())


def _fields(separator: str, *, lenient: bool) -> str:
    between = re.escape(separator)
    plain = rf'(?:[^"{between}][^{between}]*)?' if lenient else rf'[^"{between}\n]*'
    field = rf'(?:"(?:[^"]|"")*"|{plain})'
    return f"{field}(?:{between}{field})*"


class _Grammar:
    """What rows look like: one that is a line, one that is several, and the beginning of such."""

    def __init__(self, separator: str, columns: int) -> None:
        strict = _fields(separator, lenient=False)
        self._separator, self._columns = separator.encode(), columns
        self._line = re.compile(_fields(separator, lenient=True).encode())
        self._field = re.compile(rf'{re.escape(separator)}(?:"(?:[^"]|"")*")?'.encode())
        self._row = re.compile(strict.encode())
        self._open = re.compile(rf'(?:{strict}{re.escape(separator)})?"(?:[^"]|"")*'.encode())

    def is_line(self, text: bytes) -> bool:
        if self.is_row(text):
            return True
        plain = _without_end(text)
        is_lenient = text.count(b'"') % 2 == 0 and self._line.fullmatch(plain) is not None
        # Polars looks for the end of a line behind the last column it was told of, and takes each quote there for one.
        return is_lenient and len(self._field.findall(self._separator + plain)) <= self._columns + 1

    def is_row(self, text: bytes) -> bool:
        return self._row.fullmatch(_without_end(text)) is not None

    def is_open(self, text: bytes) -> bool:
        return self._open.fullmatch(text) is not None


def _without_end(text: bytes) -> bytes:
    return text.removesuffix(b"\n").removesuffix(b"\r")


def _rows(
    file: BinaryIO, grammar: _Grammar, damaged: bytes, cut: AbstractSet[int], continued: list[int]
) -> Iterator[bytes]:
    row = 0
    while line := file.readline():
        found: bytes | None = line
        # A line that is cut may end within quotes, and must not take the lines below it.
        if row + len(continued) in cut:
            found = None
        elif b'"' in line and not grammar.is_line(line):
            below = file.tell()
            found = _several(file, line, grammar)
            if found is None:
                file.seek(below)
            else:
                continued += [row] * found.removesuffix(b"\n").count(b"\n")
        yield damaged if found is None else found
        row += 1


def _several(file: BinaryIO, row: bytes, grammar: _Grammar) -> bytes | None:
    """Give the row that a line begins, if one ends soon."""
    for _ in range(MAX_LINES):
        if len(row) > MAX_LINE_BYTES or not grammar.is_open(row):
            return None
        row += file.readline()
        if grammar.is_row(row):
            return row
    return None
