"""Read logs whose lines are fields between separators, below a header with the names of the fields.

Quotes have no special meaning here: the formats that use this module never quote. What the fields mean is up to each
reader.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from cybersec_assets.flows.line_counts import BLANK, HEADER
from cybersec_assets.flows.parsing.lines import scan_lines
from cybersec_assets.flows.staging import StagedLog

BYTE_ORDER_MARK = "\ufeff"
BLANK_CHARACTERS = f" \t\r{BYTE_ORDER_MARK}"
"""The characters that a blank line may have."""
SEPARATORS = (",", "\t", ";", "|")
"""The separators that are tried for tools that let the user choose one."""


def separator_of(log: StagedLog, known: Collection[str]) -> str:
    """Return the separator with which a log's first line has most of the known names; a comma if it has none."""
    return max(SEPARATORS, key=lambda separator: len(set(known) & set(header_of(log, separator))))


def header_of(log: StagedLog, separator: str = ",") -> list[str]:
    """Return the names in a log's first line."""
    return log.first_lines[0].removeprefix(BYTE_ORDER_MARK).split(separator)


@dataclass(frozen=True)
class Layout:
    """How the lines of a log are split into fields.

    Attributes:
        header: The names of all fields, in order.
        mark: The name by which a repeated header is detected. No record has it as a value.
        separator: The character between two fields.
        unset: The text of a field without a value.
    """

    header: Sequence[str]
    mark: str
    separator: str = ","
    unset: str = ""


def scan_fields(
    log: StagedLog, layout: Layout, wanted: Collection[str], *, remark: pl.Expr | None = None
) -> pl.LazyFrame:
    """Read the fields of a log's lines lazily.

    Args:
        log: The log. Blank lines, repeated headers and remarks are added to its `line_counts`.
        layout: How its lines are split.
        wanted: The fields that become columns, where the header has them.
        remark: The kind of a line that is not a record; null for records.

    Returns:
        A row for each other line: `file`; `line`; `row_error`, what is wrong with the line as a whole, or null; and the
        wanted columns without surrounding blanks, null where a field is unset. A header that differs from the first is
        an error, and so are the lines below it, whose fields have another meaning.
    """
    lines = scan_lines(log)
    split = _split(lines, layout)
    headers = _split(lines.filter(pl.col("text").str.contains(layout.mark, literal=True)), layout)
    wrong_number = pl.when(pl.col("fields").is_null()).then(pl.lit("number of fields"))
    row_error = wrong_number.when(_is_below_other_header(headers)).then(pl.lit("header"))
    texts = {name: pl.col("fields").list.get(layout.header.index(name)) for name in wanted if name in layout.header}
    values = [_value(text, layout.unset).alias(name) for name, text in texts.items()]
    is_blank = (pl.col("text").fill_null("").str.strip_chars(BLANK_CHARACTERS) == "") & pl.col("rest").is_null()
    kind = pl.when(is_blank).then(pl.lit(BLANK)).when(pl.col("is_first")).then(pl.lit(HEADER))
    records = log.line_counts.skip(split, kind.otherwise(remark))
    return records.select("file", "line", row_error.alias("row_error"), *values)


def _split(lines: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """Add `fields`, null where their number differs from the header's, and `is_first`.

    `is_first` is true for a header like the first, false for another header, and null for any other line.
    """
    text = pl.col("text").str.strip_prefix(BYTE_ORDER_MARK).fill_null("")
    # Count first, so that a line of a million separators never becomes a million fields.
    has_all = text.str.count_matches(layout.separator, literal=True) == len(layout.header) - 1
    fields = pl.when(has_all, pl.col("rest").is_null()).then(text).str.split(layout.separator)
    is_header = pl.col("fields").list.contains(layout.mark)
    is_first = pl.when(is_header).then(text == layout.separator.join(layout.header))
    return lines.with_columns(fields=fields).with_columns(is_first=is_first)


def _is_below_other_header(headers: pl.LazyFrame) -> pl.Expr:
    """Return whether the last header up to a line differs from the file's first."""
    found = headers.select("line", "is_first").drop_nulls().collect(engine="streaming")
    if found["is_first"].all():
        return pl.lit(value=False)
    is_first = pl.concat([pl.Series("is_first", [True]), found["is_first"]])
    # With `forward_fill`, Polars would keep all other columns in memory.
    return pl.col("line").map_batches(
        lambda lines: ~is_first.gather(found["line"].search_sorted(lines, side="right")),
        return_dtype=pl.Boolean(),
        is_elementwise=True,
    )


def _value(text: pl.Expr, unset: str) -> pl.Expr:
    plain = text.str.strip_chars(" ")
    return pl.when(plain != unset).then(plain)
