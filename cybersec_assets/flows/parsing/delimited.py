"""Logs of lines that one character cuts into fields, under a header that names the fields.

Quotes are characters like others here, as in the formats that never quote. What the names mean is each reader's.
"""

from collections.abc import Collection, Sequence

import polars as pl

from cybersec_assets.flows.logfile import LogFile

BYTE_ORDER_MARK = "\ufeff"
BLANK = f" \t\r{BYTE_ORDER_MARK}"
"""What a blank line may have."""


SEPARATORS = (",", "\t", ";", "|")
"""The separators that tools which let a user choose one are used with."""


def separator_of(log: LogFile, known: Collection[str]) -> str:
    """Return the separator by which a log's first line has most of the known column names; a comma where none has."""
    return max(SEPARATORS, key=lambda separator: len(set(known) & set(header_of(log, separator))))


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
        A row for each line that is not blank and does not repeat the header: `file`; `line`; `misfit`, what is wrong
        with the line as a whole, else null; and the wanted columns, without blanks around, null where a field says
        nothing.
        Another header misfits, and so do the lines under it: their fields mean something else.
    """
    cut = _cut(lines, header, mark, separator)
    headers = _cut(lines.filter(pl.col("text").str.contains(mark, literal=True)), header, mark, separator)
    wrong = pl.when(pl.col("fields").is_null()).then(pl.lit("number of fields"))
    misfit = wrong.when(_astray(headers)).then(pl.lit("header"))
    texts = {name: pl.col("fields").list.get(header.index(name)) for name in wanted if name in header}
    values = [_said(text, unset).alias(name) for name, text in texts.items()]
    is_blank = pl.col("text").fill_null("").str.strip_chars(BLANK) == ""
    records = cut.filter(~pl.col("is_first").fill_null(value=False) & ~(is_blank & pl.col("rest").is_null()))
    return records.select("file", "line", misfit.alias("misfit"), *values)


def _cut(lines: pl.LazyFrame, header: Sequence[str], mark: str, separator: str) -> pl.LazyFrame:
    """Add a line's `fields`, null where they are not as many as the header's, and whether it `is_first`'s like."""
    text = pl.col("text").str.strip_prefix(BYTE_ORDER_MARK).fill_null("")
    # Counted first, so that a line of a million separators never becomes a million fields.
    is_even = text.str.count_matches(separator, literal=True) == len(header) - 1
    fields = pl.when(is_even, pl.col("rest").is_null()).then(text).str.split(separator)
    is_first = pl.when(pl.col("fields").list.contains(mark)).then(text == separator.join(header))
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
