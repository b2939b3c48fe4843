"""Fields: what a log's text means in each raw column.

A `Field` keeps the text as the log has it beside the parsed value, so that `parsing.records` can tell an unset value
from one that does not parse.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import polars as pl

from cybersec_assets.flows.parsing.addresses import ADDRESS


@dataclass(frozen=True)
class Field:
    """A raw column's source.

    Attributes:
        text: What the log has, null where it is unset.
        value: What it means, null where it is unset or does not parse.
        unknown: The text that nobody knows the meaning of, which is no fault; null for any other.
    """

    text: pl.Expr
    value: pl.Expr
    unknown: pl.Expr | None = None


def host(text: pl.Expr) -> Field:
    """Read a host, in whatever way it is named; none is empty or holds a blank: an open quote swallows whole lines."""
    return Field(text, pl.when(text.str.contains(r"^\S+$")).then(text))


def address(text: pl.Expr) -> Field:
    """Read an IP address."""
    return Field(text, pl.when(text.str.contains(ADDRESS)).then(text))


def number(text: pl.Expr, dtype: pl.DataType | type[pl.DataType]) -> Field:
    """Read a number."""
    return Field(text, text.cast(dtype, strict=False))


def count(text: pl.Expr) -> Field:
    """Read a whole number, as of bytes or packets."""
    return number(text, pl.Int64)


def as_text(text: pl.Expr) -> Field:
    """Take text as it is."""
    return Field(text, text)


def present_fields(
    optional: Mapping[str, tuple[str, Callable[[pl.Expr], Field]]], have: Collection[str]
) -> dict[str, Field]:
    """Give the sources of those raw columns whose own columns a log has.

    Args:
        optional: The own column of each raw column, and what makes a source of its text.
        have: The log's own columns.
    """
    return {raw: make(pl.col(name)) for raw, (name, make) in optional.items() if name in have}


def volume(sent: Field, received: Field) -> Field:
    """Add both directions; a flow that says only one's volume has moved at least that much."""
    known = sent.value.is_not_null() | received.value.is_not_null()
    total = pl.sum_horizontal(sent.value, received.value)
    wraps = (sent.value >= 0) & (received.value >= 0) & (total < 0)
    text = pl.when(wraps).then(pl.concat_str(sent.text, received.text, separator="+"))
    return Field(text, pl.when(wraps).then(None).when(known).then(total))
