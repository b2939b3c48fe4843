"""Replace the lines of a CSV whose quotes do not match, so that each costs only itself.

Polars rejects a whole file for one unclosed quote. The grammar is that of https://www.rfc-editor.org/rfc/rfc4180.
Quotes inside a field that does not begin with one are text, as long as the line has an even number of quotes.
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
"""The most lines that a quoted field may span. For each line, all lines of the field above it are parsed again."""


def without_stray_quotes(log: StagedLog, separator: str, columns: int, headers: int) -> tuple[StagedLog, list[int]]:
    """Return a log whose rows Polars can read.

    Args:
        log: The log.
        separator: The character between two fields.
        columns: The number of columns.
        headers: The number of lines above the records.

    Returns:
        The log itself if all quotes match, else a copy of it. In the copy, each line whose quotes do not match, and
        each truncated line, is replaced with empty fields and one field too many, with SENTINEL. Also returned is, for
        each line that continues a row, in order, the number of that row, from 0.
    """
    continued = list[int]()
    if not holds(log, '"') or not _has_stray_quotes(log, separator, columns):
        return log, continued
    damaged = separator * columns + SENTINEL + "\n"
    copy = log.path.with_name(f"{log.path.name}.quotes")
    with log.path.open("rb") as file, copy.open("wb") as to:
        to.writelines(file.readline() for _ in range(headers))
        cut = {number - log.first_line - headers for number in log.cut}
        to.writelines(_rows(file, _Grammar(separator, columns), damaged.encode(), cut, continued))
    log.line_counts.add(CONTINUATION, len(continued))
    return replace(log, path=copy), continued


def _has_stray_quotes(log: StagedLog, separator: str, columns: int) -> bool:
    """Return whether a line may not be a complete row."""
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
    """The patterns of a row in one line, of a row over several lines, and of the beginning of such a row."""

    def __init__(self, separator: str, columns: int) -> None:
        strict = _fields(separator, lenient=False)
        self._separator = separator.encode()
        self._columns = columns
        self._line = re.compile(_fields(separator, lenient=True).encode())
        self._field = re.compile(rf'{re.escape(separator)}(?:"(?:[^"]|"")*")?'.encode())
        self._row = re.compile(strict.encode())
        self._open = re.compile(rf'(?:{strict}{re.escape(separator)})?"(?:[^"]|"")*'.encode())

    def is_line(self, text: bytes) -> bool:
        if self.is_row(text):
            return True
        plain = _without_end(text)
        is_lenient = text.count(b'"') % 2 == 0 and self._line.fullmatch(plain) is not None
        # Behind the last column of the schema, Polars searches for the line end and takes any quote for an opening one.
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
        # A truncated line may end within quotes, and must not include the lines below it.
        if row + len(continued) in cut:
            found = None
        elif b'"' in line and not grammar.is_line(line):
            below = file.tell()
            found = _multiline_row(file, line, grammar)
            if found is None:
                file.seek(below)
            else:
                continued += [row] * found.removesuffix(b"\n").count(b"\n")
        yield damaged if found is None else found
        row += 1


def _multiline_row(file: BinaryIO, row: bytes, grammar: _Grammar) -> bytes | None:
    """Return the row that a line begins, or None if it does not end within MAX_LINES."""
    for _ in range(MAX_LINES):
        if len(row) > MAX_LINE_BYTES or not grammar.is_open(row):
            return None
        row += file.readline()
        if grammar.is_row(row):
            return row
    return None
