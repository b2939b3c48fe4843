"""CSV: columns that bear the raw schema's names, or that FLOWS_COLUMNS gives them; others are passed over.

The separator is a comma, a tab, a semicolon or a vertical bar: the one of which the first line has most outside of
quotes. Blanks around a value do not count. A header that is repeated further down is counted, not read.
"""

import csv
import re
from collections.abc import Sequence

import polars as pl

from cybersec_assets.flows.line_counts import BLANK, HEADER
from cybersec_assets.flows.parsing.delimited import BLANK_CHARACTERS
from cybersec_assets.flows.parsing.lines import SENTINEL, holds, scan_lines
from cybersec_assets.flows.parsing.mapped_fields import Cell, Table, table_of
from cybersec_assets.flows.parsing.mapping import Columns, places_of
from cybersec_assets.flows.parsing.records import assemble
from cybersec_assets.flows.readers.base import Reader, each
from cybersec_assets.flows.readers.csv.quotes import without_stray_quotes
from cybersec_assets.flows.schema import NEVER_NULL
from cybersec_assets.flows.staging import HEAD_BYTES, StagedLog

SEPARATORS = ",\t;|"
AROUND = " \t"
"""What may stand around a value."""
QUOTE = '"'
QUOTED = r'"[^"]*"'
RECOGNISED_BY = 2
"""How many names of what every flow has a first line bears to be taken for a header: volumes are in other logs, too."""


def separator_of(log: StagedLog) -> str:
    """Tell what stands between two fields."""
    return max(SEPARATORS, key=re.sub(QUOTED, "", log.first_lines[0]).count)


def first_fields(log: StagedLog) -> list[str]:
    """Return the fields of the first line: the names of the columns, or a record."""
    # A carriage return inside of a line, as in a file that is no CSV, is an error to the csv module.
    first = log.first_lines[0][:HEAD_BYTES].removeprefix("\ufeff").replace("\r", "")
    return [name.strip() for name in next(csv.reader([first], delimiter=separator_of(log)), [])]


def scan(log: StagedLog, columns: Columns | None = None) -> pl.LazyFrame:
    """Read a file lazily.

    Returns:
        The columns of RAW and ORIGIN, a record a line; blank lines are skipped. Where a quoted field may go on in the
        next line, a record has the number of its first line, and what a row is too short for counts as unset.

    Raises:
        UnreadableLogError: A column is missing that is required or mapped.
    """
    table, separator = table_of(log, first_fields(log), columns), separator_of(log)
    width, headers = len(table.names), 0 if table.is_headless else 1
    # One column more than the header names shows a row that is too long.
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
    value = pl.col(f"c{place}").str.strip_chars(AROUND)
    return Cell(pl.when(value != "").then(value), pl.String())


def _is_header(table: Table) -> pl.Expr:
    """Return whether each column that is read has its own name for a value, as in files that were joined."""
    places = {table.place(place) for place in places_of(table.sources)}
    cells = {table.names[place]: pl.col(f"c{place}") for place in places}
    return pl.all_horizontal(cell.str.strip_chars(BLANK_CHARACTERS) == name for name, cell in cells.items())


def _spans_lines(log: StagedLog) -> bool:
    """Tell whether a quote is open where a line ends, so that a field goes on in the next."""
    halves = (pl.col(half).str.count_matches(QUOTE, literal=True) for half in ("text", "rest"))
    is_open = pl.sum_horizontal(halves) % 2 == 1
    return holds(log, QUOTE) and scan_lines(log).filter(is_open).head(1).collect(engine="streaming").height > 0


def _by_row(log: StagedLog, rows: pl.LazyFrame, headers: int, continued: Sequence[int]) -> pl.LazyFrame:
    """Add each row's place, which is that of its first line."""
    further = pl.Series(continued, dtype=pl.UInt32)
    first = log.first_line + headers
    lines = pl.col("row").map_batches(
        lambda rows: rows + further.search_sorted(rows - first, side="left"),
        return_dtype=pl.UInt32(),
        is_elementwise=True,
    )
    return rows.with_columns(file=pl.lit(log.name), line=lines, is_uneven=pl.lit(value=False))


def _by_line(log: StagedLog, rows: pl.LazyFrame, headers: int, fields: int) -> pl.LazyFrame:
    """Tell each row's place, where it is a line, and whether it has as many fields as the header; blank ones go."""
    text = pl.concat_str("text", "rest", separator=SENTINEL, ignore_nulls=True)
    separators = text.str.replace_all(QUOTED, "").str.count_matches(separator_of(log), literal=True)
    # Spreadsheets fill a file up with rows of nothing but separators: CICIDS2017 has 288,602 of them in one file.
    is_blank = text.str.strip_chars(BLANK_CHARACTERS + separator_of(log)) == ""
    lines = scan_lines(log).select("file", "line", is_uneven=separators != fields - 1, is_blank=is_blank)
    # Side by side: Polars itself does not tell a field that is missing from one that is empty.
    records = pl.concat([lines.slice(headers), rows], how="horizontal")
    return log.line_counts.skip(records, pl.when("is_blank").then(pl.lit(BLANK)))


def recognises(log: StagedLog) -> bool:
    """Tell by a first line that names raw columns; with a mapping, any text may be meant."""
    return len(set(first_fields(log)) & set(NEVER_NULL)) >= RECOGNISED_BY


READER = Reader("csv", recognises, each(scan), mapped=True)
