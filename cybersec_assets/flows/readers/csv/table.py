"""Read CSV files with the raw schema's column names, or as FLOWS_COLUMNS maps them. Other columns are ignored.

The separator is a comma, a tab, a semicolon or a vertical bar: the one that occurs most often in the first line,
outside of quotes. Blanks around a value are ignored. A repeated header is counted, not read.
"""

import csv
import re
from collections.abc import Sequence

import polars as pl

from cybersec_assets.flows.line_counts import BLANK, HEADER
from cybersec_assets.flows.parsing.delimited import BLANK_CHARACTERS, SEPARATORS
from cybersec_assets.flows.parsing.lines import SENTINEL, holds, scan_lines
from cybersec_assets.flows.parsing.mapped_fields import Cell, Table, table_of
from cybersec_assets.flows.parsing.mapping import Columns, places_of
from cybersec_assets.flows.parsing.records import assemble
from cybersec_assets.flows.readers.base import Reader, each
from cybersec_assets.flows.readers.csv.quotes import without_stray_quotes
from cybersec_assets.flows.schema import NEVER_NULL
from cybersec_assets.flows.staging import HEAD_BYTES, StagedLog

PADDING = " \t"
"""The characters that may surround a value."""
QUOTE = '"'
QUOTED = r'"[^"]*"'
RECOGNISED_BY = 2
"""The least number of NEVER_NULL columns that make a first line a header. Other logs have volumes, too."""


def separator_of(log: StagedLog) -> str:
    """Return the character between two fields."""
    return max(SEPARATORS, key=re.sub(QUOTED, "", log.first_lines[0]).count)


def first_fields(log: StagedLog) -> list[str]:
    """Return the fields of the first line: the names of the columns, or a record."""
    # The csv module raises an error for a carriage return inside a line, as in files that are not CSV.
    first = log.first_lines[0][:HEAD_BYTES].removeprefix("\ufeff").replace("\r", "")
    return [name.strip() for name in next(csv.reader([first], delimiter=separator_of(log)), [])]


def scan(log: StagedLog, columns: Columns | None = None) -> pl.LazyFrame:
    """Read a file lazily.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN, a record for each line; blank lines are skipped. In files with quoted
        fields that span lines, a record has the number of its first line, and fields that a short row lacks are unset.

    Raises:
        UnreadableLogError: A required or mapped column is missing.
    """
    table = table_of(log, first_fields(log), columns)
    separator = separator_of(log)
    width = len(table.names)
    headers = 0 if table.is_headless else 1
    # One column more than the header has shows a row that is too long.
    names = [f"c{i}" for i in range(width + 1)]
    log.line_counts.add(HEADER, headers)
    whole, continued = without_stray_quotes(log, separator, width, headers)
    rows = pl.scan_csv(
        whole.path,
        has_header=False,
        separator=separator,
        skip_lines=headers,
        schema=dict.fromkeys(names, pl.String),
        missing_columns="insert",
        extra_columns="ignore",
        encoding="utf8-lossy",
        row_index_name="row",
        row_index_offset=log.first_line + headers,
        glob=False,
    )
    is_spanning = _spans_lines(whole)
    placed = _by_row(whole, rows, headers, continued) if is_spanning else _by_line(whole, rows, headers, width)
    beyond = pl.col(names[-1])
    row_error = pl.when(beyond == SENTINEL).then(pl.lit("quotes"))
    uneven = beyond.is_not_null() | pl.col("is_uneven")
    if not table.is_headless:
        placed = log.line_counts.skip(placed, pl.when(~uneven, _is_header(table)).then(pl.lit(HEADER)))
    if (no_flow := table.no_flow(_cell)) is not None:
        placed = log.line_counts.skip(placed, pl.when(~uneven).then(no_flow))
    return assemble(placed, table.fields(_cell), row_error=row_error.when(uneven).then(pl.lit("number of fields")))


def _cell(place: int) -> Cell:
    value = pl.col(f"c{place}").str.strip_chars(PADDING)
    return Cell(pl.when(value != "").then(value), pl.String())


def _is_header(table: Table) -> pl.Expr:
    """Return whether the value of each column that is read is its own name, as in concatenated files."""
    places = {table.place(place) for place in places_of(table.sources)}
    cells = {table.names[place]: pl.col(f"c{place}") for place in places}
    return pl.all_horizontal(cell.str.strip_chars(BLANK_CHARACTERS) == name for name, cell in cells.items())


def _spans_lines(log: StagedLog) -> bool:
    """Return whether a quote is open at the end of a line, so that a field continues on the next."""
    halves = (pl.col(half).str.count_matches(QUOTE, literal=True) for half in ("text", "rest"))
    is_open = pl.sum_horizontal(halves) % 2 == 1
    return holds(log, QUOTE) and scan_lines(log).filter(is_open).head(1).collect(engine="streaming").height > 0


def _by_row(log: StagedLog, rows: pl.LazyFrame, headers: int, continued: Sequence[int]) -> pl.LazyFrame:
    """Add each row's file and line, which is the number of its first line."""
    continuations = pl.Series(continued, dtype=pl.UInt32)
    first = log.first_line + headers
    lines = pl.col("row").map_batches(
        lambda rows: rows + continuations.search_sorted(rows - first, side="left"),
        return_dtype=pl.UInt32(),
        is_elementwise=True,
    )
    return rows.with_columns(file=pl.lit(log.name), line=lines, is_uneven=pl.lit(value=False))


def _by_line(log: StagedLog, rows: pl.LazyFrame, headers: int, fields: int) -> pl.LazyFrame:
    """Add each row's file and line, and whether its number of fields differs from the header's; skip blank lines."""
    text = pl.concat_str("text", "rest", separator=SENTINEL, ignore_nulls=True)
    separators = text.str.replace_all(QUOTED, "").str.count_matches(separator_of(log), literal=True)
    # Spreadsheets append rows with only separators: one file of CICIDS2017 has 288,602 of them.
    is_blank = text.str.strip_chars(BLANK_CHARACTERS + separator_of(log)) == ""
    lines = scan_lines(log).select("file", "line", is_uneven=separators != fields - 1, is_blank=is_blank)
    # Polars itself does not distinguish a missing field from an empty one.
    records = pl.concat([lines.slice(headers), rows], how="horizontal")
    return log.line_counts.skip(records, pl.when("is_blank").then(pl.lit(BLANK)))


def recognises(log: StagedLog) -> bool:
    """Return whether the first line has names of raw columns."""
    return len(set(first_fields(log)) & set(NEVER_NULL)) >= RECOGNISED_BY


READER = Reader("csv", recognises, each(scan), mapped=True)
