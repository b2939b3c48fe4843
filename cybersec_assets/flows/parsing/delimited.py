"""Logs of lines that one character cuts into fields, under a header that names the fields.

Quotes are characters like others here, as in the formats that never quote. What the names mean is each reader's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from cybersec_assets.flows.line_counts import BLANK, HEADER
from cybersec_assets.flows.parsing.lines import scan_lines
from cybersec_assets.flows.staging import StagedLog

BYTE_ORDER_MARK = "\ufeff"
BLANK_CHARACTERS = f" \t\r{BYTE_ORDER_MARK}"
"""What a blank line may have."""


SEPARATORS = (",", "\t", ";", "|")
"""The separators that tools which let a user choose one are used with."""


def separator_of(log: StagedLog, known: Collection[str]) -> str:
    """Return the separator by which a log's first line has most of the known column names; a comma where none has."""
    return max(SEPARATORS, key=lambda separator: len(set(known) & set(header_of(log, separator))))


def header_of(log: StagedLog, separator: str = ",") -> list[str]:
    """Give the names in a log's first line."""
    return log.first_lines[0].removeprefix(BYTE_ORDER_MARK).split(separator)


@dataclass(frozen=True)
class Layout:
    """How the lines of a log are cut into fields.

    Attributes:
        header: The names of all fields, in order.
        mark: The name by which a header further down is known: no record has it for a value.
        separator: The character between two fields.
        unset: What a field has that says nothing.
    """

    header: Sequence[str]
    mark: str
    separator: str = ","
    unset: str = ""


def scan_fields(
    log: StagedLog, layout: Layout, wanted: Collection[str], *, remark: pl.Expr | None = None
) -> pl.LazyFrame:
    """Cut lines into fields.

    Args:
        log: The log. Blank lines, repeated headers and remarks are counted in its line_counts.
        layout: How its lines are cut.
        wanted: The fields that become columns, where the header has them.
        remark: The name of what a line is that is no record, else null.

    Returns:
        A row for each other line: `file`; `line`; `row_error`, what is wrong with the line as a whole, else null; and
        the wanted columns, without blanks around, null where a field says nothing.
        Another header misfits, and so do the lines under it: their fields mean something else.
    """
    lines = scan_lines(log)
    cut = _cut(lines, layout)
    headers = _cut(lines.filter(pl.col("text").str.contains(layout.mark, literal=True)), layout)
    wrong = pl.when(pl.col("fields").is_null()).then(pl.lit("number of fields"))
    row_error = wrong.when(_astray(headers)).then(pl.lit("header"))
    texts = {name: pl.col("fields").list.get(layout.header.index(name)) for name in wanted if name in layout.header}
    values = [_said(text, layout.unset).alias(name) for name, text in texts.items()]
    is_blank = (pl.col("text").fill_null("").str.strip_chars(BLANK_CHARACTERS) == "") & pl.col("rest").is_null()
    kind = pl.when(is_blank).then(pl.lit(BLANK)).when(pl.col("is_first")).then(pl.lit(HEADER))
    records = log.line_counts.skip(cut, kind.otherwise(remark))
    return records.select("file", "line", row_error.alias("row_error"), *values)


def _cut(lines: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """Add a line's `fields`, null where they are not as many as the header's, and whether it `is_first`'s like."""
    text = pl.col("text").str.strip_prefix(BYTE_ORDER_MARK).fill_null("")
    # Counted first, so that a line of a million separators never becomes a million fields.
    is_even = text.str.count_matches(layout.separator, literal=True) == len(layout.header) - 1
    fields = pl.when(is_even, pl.col("rest").is_null()).then(text).str.split(layout.separator)
    is_header = pl.col("fields").list.contains(layout.mark)
    is_first = pl.when(is_header).then(text == layout.separator.join(layout.header))
    return lines.with_columns(fields=fields).with_columns(is_first=is_first)


def _astray(headers: pl.LazyFrame) -> pl.Expr:
    """Tell the lines that a header other than the file's first governs."""
    found = headers.select("line", "is_first").drop_nulls().collect(engine="streaming")
    if found["is_first"].all():
        return pl.lit(value=False)
    governed = pl.concat([pl.Series("is_first", [True]), found["is_first"]])
    # Not `forward_fill`, beside which Polars keeps all other columns in memory.
    return pl.col("line").map_batches(
        lambda lines: ~governed.gather(found["line"].search_sorted(lines, side="right")),
        return_dtype=pl.Boolean(),
        is_elementwise=True,
    )


def _said(text: pl.Expr, unset: str) -> pl.Expr:
    plain = text.str.strip_chars(" ")
    return pl.when(plain != unset).then(plain)
