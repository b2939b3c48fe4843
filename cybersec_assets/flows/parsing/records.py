"""Assemble a log's rows into records of the raw schema, and report every error.

A reader maps each raw column to a `Field`. A record has an error where a text does not parse, or where a value that
must not be null is missing. No record is dropped here: the caller decides what to do with errors.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.parsing.values import Field
from cybersec_assets.flows.schema import LAST_PORT, NEVER_NULL, PORTS, RAW_SCHEMA, VOLUMES
from cybersec_assets.flows.staging import StagedLog

MAX_COLUMNS = 1_000
"""Far more than any flow log has. Every column costs memory."""


def require_columns(log: StagedLog, have: Sequence[str], need: Collection[str]) -> None:
    """Reject a log that lacks a column, or has more columns than any flow log.

    Raises:
        UnreadableLogError: A column is missing, or there are over 1,000 columns.
    """
    if len(have) > MAX_COLUMNS:
        raise UnreadableLogError(f"{log.name} has over {MAX_COLUMNS:,} columns", "Remove it: it is not a flow log")
    if missing := sorted(set(need) - set(have)):
        raise UnreadableLogError(
            f"{log.name} has no column {', '.join(missing)}", "Add it to the log, or remove the file"
        )


def unchanged(batch: pl.DataFrame) -> pl.DataFrame:
    """Return a batch unchanged. With `map_batches`, this keeps Polars from moving an operation below that point."""
    return batch


def assemble(rows: pl.LazyFrame, fields: Mapping[str, Field], *, row_error: pl.Expr | None = None) -> pl.LazyFrame:
    """Return a log's rows as records with the columns of RAW_SCHEMA and ORIGIN.

    Args:
        rows: The log's rows, with the columns `file` and `line` and those that the fields use.
        fields: The field of each raw column that the log has. Those in REQUIRED must be there.
        row_error: What is wrong with a row as a whole, such as its number of fields; null where nothing is.

    Returns:
        One record for each row. `fault` is null where it parses. Otherwise it is the row error, or else the first
        column that is wrong, whose text is in `value`. Where the record parses, `value` is its label if that has no
        known word.
    """
    texts = [field.text.alias(f"text {name}") for name, field in fields.items()]
    # In one step, Polars would parse a value once for its column and twice more to check it for errors.
    parsed = rows.select(
        "file",
        "line",
        *texts,
        *_values(fields),
        _row_error=pl.lit(None) if row_error is None else row_error,
        _unknown=pl.coalesce(*unknown_texts(fields), pl.lit(None, pl.String)),
    )
    fault, value = _errors(fields)
    return parsed.select(
        *RAW_SCHEMA, "file", "line", fault.alias("fault"), pl.coalesce(value, "_unknown").alias("value")
    )


def assemble_fast(rows: pl.LazyFrame, fields: Mapping[str, Field], doubt: pl.Expr) -> pl.LazyFrame:
    """Return the same values as `assemble` for rows with typed numbers, without reporting what is wrong.

    Args:
        rows: The log's rows, with the columns that the fields use.
        fields: As in `assemble`. `bytes` must be the `volume` of both directions, which must be there, too.
        doubt: Whether something is wrong with a row as a whole.

    Returns:
        One record for each row: the columns of RAW_SCHEMA, and `suspect`, true where `assemble` reports an error or an
        unknown label.
    """
    is_set = {name: field.text.is_not_null() for name, field in fields.items()}
    # The text of a sum is expensive.
    is_set["bytes"] = is_set["orig_bytes"] | is_set["resp_bytes"]
    texts = [present.alias(f"text {name}") for name, present in is_set.items()]
    wrong = [pl.col(name).is_null() & pl.col(f"text {name}") for name in fields if name not in NEVER_NULL]
    missing = [pl.col(name).is_null() for name in NEVER_NULL]
    suspect = pl.any_horizontal("_doubt", *missing, *wrong)
    doubt = pl.any_horizontal(doubt, *(text.is_not_null() for text in unknown_texts(fields)))
    return rows.select(*texts, *_values(fields), _doubt=doubt).select(*RAW_SCHEMA, suspect.alias("suspect"))


def unknown_texts(fields: Mapping[str, Field]) -> list[pl.Expr]:
    """Return the `unknown` of each field that has one."""
    return [field.unknown for field in fields.values() if field.unknown is not None]


def _values(fields: Mapping[str, Field]) -> list[pl.Expr]:
    """Return the columns of RAW_SCHEMA, null where the log has no such column."""
    values = {name: _valid(name, field).cast(RAW_SCHEMA[name]) for name, field in fields.items()}
    return [values.get(name, pl.lit(None, dtype)).alias(name) for name, dtype in RAW_SCHEMA.items()]


def _valid(name: str, field: Field) -> pl.Expr:
    """Return a field's value, null where it parses but is invalid.

    NaN and infinity, negative volumes, and ports above 65535 are invalid.
    """
    value = field.value
    if RAW_SCHEMA[name] == pl.Float64:
        value = value.cast(pl.Float64, strict=False)
        value = pl.when(value.is_finite()).then(value)
    if name in VOLUMES:
        value = pl.when(value >= 0).then(value)
    if name in PORTS:
        value = pl.when(value.is_between(0, LAST_PORT)).then(value)
    return value


def _errors(names: Iterable[str]) -> tuple[pl.Expr, pl.Expr]:
    """Return the row error or the first wrong column, and its text; the text is empty where it is missing."""
    row_error = pl.col("_row_error").cast(pl.String)
    wrong = {name: _is_wrong(name) for name in names}
    faults = [row_error, *(pl.when(bad).then(pl.lit(name)) for name, bad in wrong.items())]
    texts = [pl.when(bad).then(pl.col(f"text {name}").fill_null("")) for name, bad in wrong.items()]
    return pl.coalesce(faults), pl.coalesce(pl.when(row_error.is_not_null()).then(pl.lit("")), *texts)


def _is_wrong(name: str) -> pl.Expr:
    is_null = pl.col(name).is_null()
    return is_null if name in NEVER_NULL else is_null & pl.col(f"text {name}").is_not_null()
