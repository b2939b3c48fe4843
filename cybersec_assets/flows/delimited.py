"""Logs of lines that one character cuts into fields, under a header that names the fields.

Quotes are characters like others here, as in the formats that never quote. What the names mean is each reader's.
"""

from collections.abc import Collection, Sequence

import polars as pl

from cybersec_assets.flows.logfile import LogFile

BYTE_ORDER_MARK = "\ufeff"


def header_of(log: LogFile, separator: str = ",") -> list[str]:
    """Give the names in a log's first line."""
    return log.first_lines[0].removeprefix(BYTE_ORDER_MARK).split(separator)


def scan_fields(
    lines: pl.LazyFrame,
    header: Sequence[str],
    wanted: Collection[str],
    mark: str,
    *,
    separator: str = ",",
    unset: str = "",
) -> pl.LazyFrame:
    """Cut lines into fields.

    Args:
        lines: What `scan_lines` gives.
        header: The names of all fields, in order.
        wanted: Those that are given as columns, where the header has them.
        mark: The name by which a header further down is known: no record has it for a value.
        separator: The character between two fields.
        unset: What a field has that says nothing.

    Returns:
        A row for each line that does not repeat the header: `file`; `line`; `misfit`, what is wrong with the line as
        a whole, else null; and the wanted columns, without blanks around, null where a field says nothing.
        Another header misfits, and so do the lines under it: their fields mean something else.
    """
    text = pl.col("text").str.strip_prefix(BYTE_ORDER_MARK).fill_null("")
    # Counted first, so that a line of a million separators never becomes a million fields.
    is_even = text.str.count_matches(separator, literal=True) == len(header) - 1
    fields = pl.when(is_even, pl.col("rest").is_null()).then(text).str.split(separator)
    is_first = pl.when(pl.col("fields").list.contains(mark)).then(text == separator.join(header))
    rows = lines.with_columns(fields=fields).with_columns(is_first=is_first)
    astray = ~pl.col("is_first").forward_fill().fill_null(value=True)
    misfit = pl.when(pl.col("fields").is_null()).then(pl.lit("number of fields")).when(astray).then(pl.lit("header"))
    texts = {name: pl.col("fields").list.get(header.index(name)) for name in wanted if name in header}
    values = [_said(text, unset).alias(name) for name, text in texts.items()]
    records = rows.with_columns(misfit=misfit).filter(~pl.col("is_first").fill_null(value=False))
    return records.select("file", "line", "misfit", *values)


def _said(text: pl.Expr, unset: str) -> pl.Expr:
    plain = text.str.strip_chars(" ")
    return pl.when(plain != unset).then(plain)
