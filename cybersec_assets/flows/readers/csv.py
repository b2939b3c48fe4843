"""CSV: columns that bear the raw schema's names, or that FLOWS_COLUMNS gives them; others are passed over.

The separator is a comma, a tab or a semicolon: the one of which the first line has most.
"""

import csv

import polars as pl

from cybersec_assets.flows.logfile import LogFile, is_text
from cybersec_assets.flows.parsing.columns import Columns, Constant, Term, is_headless
from cybersec_assets.flows.parsing.delimited import BLANK
from cybersec_assets.flows.parsing.fields import constant_field, terms_of, text_field, total
from cybersec_assets.flows.parsing.lines import NEVER, holds, scan_lines
from cybersec_assets.flows.parsing.quotes import without_stray_quotes
from cybersec_assets.flows.readers.base import Field, Reader, assemble, each
from cybersec_assets.flows.schema import NEVER_NULL
from cybersec_assets.flows.tally import BLANK as BLANK_LINE
from cybersec_assets.flows.tally import HEADER

SEPARATORS = ",\t;"
QUOTE = '"'
QUOTED = r'"[^"]*"'
RECOGNISED_BY = 2
"""How many names of what every flow has a first line bears to be taken for a header: volumes are in other logs, too."""


def separator_of(log: LogFile) -> str:
    """Tell what stands between two fields."""
    return max(SEPARATORS, key=log.first_lines[0].count)


def names_of(log: LogFile) -> list[str]:
    """Give the columns' names: those in the first line, or `#1`, `#2`, … where that is a record."""
    # A carriage return inside of a line, as in a file that is no CSV, is an error to the csv module.
    first = log.first_lines[0].removeprefix("\ufeff").replace("\r", "")
    names = [name.strip() for name in next(csv.reader([first], delimiter=separator_of(log)), [])]
    return [f"#{number}" for number, _ in enumerate(names, 1)] if is_headless(log.columns) else names


def scan(log: LogFile) -> pl.LazyFrame:
    """Read a file lazily.

    Returns:
        The columns of RAW and ORIGIN, a record a line; blank lines are passed over. Where a quoted field may go on in
        the next line, line numbers take each row for one line, and what a row is too short for counts as unset.

    Raises:
        UnreadableLogError: A column is missing that is required or mapped.
    """
    names, separator = names_of(log), separator_of(log)
    terms, headers = terms_of(log, names), 0 if is_headless(log.columns) else 1
    # One column more than the header names shows a row that is too long.
    columns = [f"c{i}" for i in range(len(names) + 1)]
    log.tally.add(HEADER, headers)
    whole = without_stray_quotes(log, separator, len(names), headers)
    rows = pl.scan_csv(
        whole.path,
        has_header=False,
        separator=separator,
        skip_lines=headers,
        schema=dict.fromkeys(columns, pl.String),
        missing_columns="insert",
        extra_columns="ignore",
        encoding="utf8-lossy",
        row_index_name="row",
        row_index_offset=log.first_line + headers,
        glob=False,
    )
    placed = _by_row(log, rows) if _spans_lines(whole) else _by_line(whole, rows, headers, len(names))
    beyond = pl.col(columns[-1])
    misfit = pl.when(beyond == NEVER).then(pl.lit("quotes"))
    uneven = beyond.is_not_null() | pl.col("is_uneven")
    return assemble(placed, _fields(terms, names), misfit=misfit.when(uneven).then(pl.lit("number of fields")))


def _spans_lines(log: LogFile) -> bool:
    """Tell whether a quote is open where a line ends, so that a field goes on in the next."""
    halves = (pl.col(half).str.count_matches(QUOTE, literal=True) for half in ("text", "rest"))
    is_open = pl.sum_horizontal(halves) % 2 == 1
    return holds(log, QUOTE) and scan_lines(log).filter(is_open).head(1).collect(engine="streaming").height > 0


def _by_row(log: LogFile, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Tell each row's place, taking each for one line."""
    return rows.with_columns(file=pl.lit(log.name), line=pl.col("row").cast(pl.UInt32), is_uneven=pl.lit(value=False))


def _by_line(log: LogFile, rows: pl.LazyFrame, headers: int, fields: int) -> pl.LazyFrame:
    """Tell each row's place, where it is a line, and whether it has as many fields as the header; blank ones go."""
    text = pl.concat_str("text", "rest", separator=NEVER, ignore_nulls=True)
    separators = text.str.replace_all(QUOTED, "").str.count_matches(separator_of(log), literal=True)
    is_blank = text.str.strip_chars(BLANK) == ""
    lines = scan_lines(log).select("file", "line", is_uneven=separators != fields - 1, is_blank=is_blank)
    # Side by side: Polars itself does not tell a field that is missing from one that is empty.
    records = pl.concat([lines.slice(headers), rows], how="horizontal")
    return log.tally.skip(records, pl.when("is_blank").then(pl.lit(BLANK_LINE)))


def _fields(columns: Columns, names: list[str]) -> dict[str, Field]:
    return {raw: total(raw, [_field(raw, term, names) for term in terms]) for raw, terms in columns.items()}


def _field(raw: str, term: Term, names: list[str]) -> Field:
    if isinstance(term, Constant):
        return constant_field(raw, term)
    column = pl.col(f"c{names.index(term.name)}")
    return text_field(raw, pl.when(column != "").then(column))


def recognises(log: LogFile) -> bool:
    """Tell by a first line that names raw columns; with a mapping, any text may be meant."""
    return is_text(log.head) if log.columns else len(set(names_of(log)) & set(NEVER_NULL)) >= RECOGNISED_BY


READER = Reader("csv", recognises, each(scan), mapped=True)
