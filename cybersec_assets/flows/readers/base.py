"""What a reader is, and how its columns become the raw schema's with every fault kept.

A reader maps each raw column to a `Field`: the text as the log has it, and the parsed value. A record is at fault
where a text is there and no value came of it, or where a value that may never be null is missing. Nothing is
dropped here: the caller decides what a fault costs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.schema import NEVER_NULL, ORIGIN, RAW


@dataclass(frozen=True)
class Reader:
    """A log format.

    Attributes:
        name: Its name in `FLOWS_FORMAT`.
        recognises: Tells by a file's head whether it is of this format.
        scan: Gives its records lazily: the columns of RAW, then those of ORIGIN.
    """

    name: str
    recognises: Callable[[LogFile], bool]
    scan: Callable[[LogFile], pl.LazyFrame]


@dataclass(frozen=True)
class Field:
    """A raw column's source.

    Attributes:
        text: What the log has, null where it is unset.
        value: What it means, null where it is unset or does not parse.
    """

    text: pl.Expr
    value: pl.Expr


def require_columns(log: LogFile, have: set[str], need: set[str]) -> None:
    """Refuse a log that lacks a column.

    Raises:
        UnreadableLogError: At least one column is missing.
    """
    if missing := sorted(need - have):
        raise UnreadableLogError(
            f"{log.path} has no column {', '.join(missing)}", "Have the sensor write it, or take the file out"
        )


def host(text: pl.Expr) -> pl.Expr:
    """Give null for a host that is empty or holds a blank: a quote left open swallows whole lines."""
    return pl.when(text.str.contains(r"^\S+$")).then(text)


def volume(sent: Field, received: Field) -> Field:
    """Add both directions; a flow that says only one's volume has moved at least that much."""
    known = sent.value.is_not_null() | received.value.is_not_null()
    total = pl.sum_horizontal(sent.value, received.value)
    wraps = (sent.value >= 0) & (received.value >= 0) & (total < 0)
    text = pl.when(wraps).then(pl.concat_str(sent.text, received.text, separator="+"))
    return Field(text, pl.when(wraps).then(None).when(known).then(total))


def _finite(name: str, field: Field) -> Field:
    """Take a number that is NaN or infinite for one that does not parse: no rule and no model can use it."""
    if RAW[name] != pl.Float64:
        return field
    value = field.value.cast(pl.Float64, strict=False)
    return Field(field.text, pl.when(value.is_finite()).then(value))


def assemble(rows: pl.LazyFrame, fields: Mapping[str, Field], *, misfit: pl.Expr | None = None) -> pl.LazyFrame:
    """Turn a log's own rows into records of RAW and ORIGIN.

    Args:
        rows: The log's rows, with the columns `file` and `line` and those that the fields use.
        fields: The source of each raw column that the log has; those in REQUIRED must be there.
        misfit: What is wrong with a row as a whole, as with its number of fields; null where nothing is.

    Returns:
        One record a row. `fault` is null where it parses; else the first column at fault, with its text in `value`.
    """
    fields = {name: _finite(name, field) for name, field in fields.items()}
    fault, value = _faults(fields, misfit)
    values = {name: fields[name].value.cast(dtype) for name, dtype in RAW.items() if name in fields}
    nulls = {name: pl.lit(None, dtype) for name, dtype in RAW.items() if name not in fields}
    columns = values | nulls | {"file": pl.col("file"), "line": pl.col("line"), "fault": fault, "value": value}
    return rows.select(columns[name].alias(name) for name in (RAW | ORIGIN))


def _faults(fields: Mapping[str, Field], misfit: pl.Expr | None) -> tuple[pl.Expr, pl.Expr]:
    """Give the first column at fault and its text; a missing text is given as the empty string."""
    wrong = {name: _is_wrong(name, field) for name, field in fields.items()}
    faults: list[pl.Expr] = [pl.when(bad).then(pl.lit(name)) for name, bad in wrong.items()]
    values: list[pl.Expr] = [pl.when(bad).then(fields[name].text.fill_null("")) for name, bad in wrong.items()]
    if misfit is not None:
        faults.insert(0, misfit)
        values.insert(0, pl.when(misfit.is_not_null()).then(pl.lit("")))
    return pl.coalesce(faults), pl.coalesce(values)


def _is_wrong(name: str, field: Field) -> pl.Expr:
    nothing = field.value.is_null()
    return nothing if name in NEVER_NULL else nothing & field.text.is_not_null()
