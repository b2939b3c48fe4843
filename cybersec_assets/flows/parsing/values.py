"""Fields: the value that a log's text has in each raw column.

A `Field` keeps the text of the log beside the parsed value, so that `parsing.records` can distinguish an unset value
from one that does not parse.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import polars as pl

from cybersec_assets.flows.parsing.addresses import ADDRESS


@dataclass(frozen=True)
class Field:
    """The source of a raw column.

    Attributes:
        text: The text in the log, null where it is unset.
        value: The parsed value, null where the text is unset or does not parse.
        unknown: The text where its meaning is unknown, which is not an error; null for any other text.
    """

    text: pl.Expr
    value: pl.Expr
    unknown: pl.Expr | None = None


def host(text: pl.Expr) -> Field:
    """Return the field of a host, which may be an address or a name without whitespace.

    A host with whitespace shows that an unclosed quote has swallowed whole lines.
    """
    return Field(text, pl.when(text.str.contains(r"^\S+$")).then(text))


def address(text: pl.Expr) -> Field:
    """Return the field of an IP address."""
    return Field(text, pl.when(text.str.contains(ADDRESS)).then(text))


def number(text: pl.Expr, dtype: pl.DataType | type[pl.DataType]) -> Field:
    """Return the field of a number."""
    return Field(text, text.cast(dtype, strict=False))


def count(text: pl.Expr) -> Field:
    """Return the field of a whole number, such as bytes or packets."""
    return number(text, pl.Int64)


def as_text(text: pl.Expr) -> Field:
    """Return the field of text that is kept unchanged."""
    return Field(text, text)


def present_fields(
    optional: Mapping[str, tuple[str, Callable[[pl.Expr], Field]]], have: Collection[str]
) -> dict[str, Field]:
    """Return the fields of those raw columns whose source columns a log has.

    Args:
        optional: For each raw column, the name of its source column and the function that makes its field.
        have: The columns of the log.
    """
    return {raw: make(pl.col(name)) for raw, (name, make) in optional.items() if name in have}


def volume(sent: Field, received: Field) -> Field:
    """Return the sum of both directions. A flow with only one known direction has at least that volume."""
    known = sent.value.is_not_null() | received.value.is_not_null()
    total = pl.sum_horizontal(sent.value, received.value)
    overflows = (sent.value >= 0) & (received.value >= 0) & (total < 0)
    text = pl.when(overflows).then(pl.concat_str(sent.text, received.text, separator="+"))
    return Field(text, pl.when(overflows).then(None).when(known).then(total))
