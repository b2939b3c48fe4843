"""Turn a log's rows into records of the raw schema, and keep every error.

A reader maps each raw column to a `Field`. A record has an error where a text is there and no value came of it, or
where a value that may never be null is missing. No record is dropped here: the caller decides what to do with errors.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.parsing.values import Field
from cybersec_assets.flows.schema import LAST_PORT, NEVER_NULL, PORTS, RAW, VOLUMES
from cybersec_assets.flows.staging import StagedLog

MAX_COLUMNS = 1_000
"""No flow log comes near it, and every column costs memory."""


def require_columns(log: StagedLog, have: Sequence[str], need: Collection[str]) -> None:
    """Refuse a log that lacks a column, or that has more than any log needs.

    Raises:
        UnreadableLogError: At least one column is missing, or there are over 1,000.
    """
    if len(have) > MAX_COLUMNS:
        raise UnreadableLogError(f"{log.name} has over {MAX_COLUMNS:,} columns", "Take it out: it is no log")
    if missing := sorted(set(need) - set(have)):
        raise UnreadableLogError(
            f"{log.name} has no column {', '.join(missing)}", "Have the sensor write it, or take the file out"
        )


def unchanged(batch: pl.DataFrame) -> pl.DataFrame:
    """Give a batch as it is, for `map_batches`: what Polars may not push below it, it does above."""
    return batch


def _usable(name: str, field: Field) -> pl.Expr:
    """Give a value, but none for a number that nothing can be made of, as for one that does not parse.

    That is NaN and the infinite, a volume below zero, and a port that there is none of.
    """
    value = field.value
    if RAW[name] == pl.Float64:
        value = value.cast(pl.Float64, strict=False)
        value = pl.when(value.is_finite()).then(value)
    if name in VOLUMES:
        value = pl.when(value >= 0).then(value)
    if name in PORTS:
        value = pl.when(value.is_between(0, LAST_PORT)).then(value)
    return value


def assemble(rows: pl.LazyFrame, fields: Mapping[str, Field], *, row_error: pl.Expr | None = None) -> pl.LazyFrame:
    """Turn a log's own rows into records of RAW and ORIGIN.

    Args:
        rows: The log's rows, with the columns `file` and `line` and those that the fields use.
        fields: The source of each raw column that the log has; those in REQUIRED must be there.
        row_error: What is wrong with a row as a whole, as with its number of fields; null where nothing is.

    Returns:
        One record a row. `fault` is null where it parses; else the first column at fault, with its text in `value`.
        Where it parses, `value` is its label if no word of that is known.
    """
    texts = [field.text.alias(f"text {name}") for name, field in fields.items()]
    # A step of its own: Polars would parse a value once for its column, and twice more to see whether it is at fault.
    parsed = rows.select(
        "file",
        "line",
        *texts,
        *_values(fields),
        _row_error=pl.lit(None) if row_error is None else row_error,
        _unknown=pl.coalesce(*unknown_texts(fields), pl.lit(None, pl.String)),
    )
    fault, value = _faults(fields)
    return parsed.select(*RAW, "file", "line", fault.alias("fault"), pl.coalesce(value, "_unknown").alias("value"))


def assemble_fast(rows: pl.LazyFrame, fields: Mapping[str, Field], doubt: pl.Expr) -> pl.LazyFrame:
    """Do what `assemble` does for rows whose numbers have been read as such, with no word on what is wrong.

    Args:
        rows: The log's rows, with the columns that the fields use.
        fields: As `assemble` has them; `bytes` is the `volume` of both directions, which must be there, too.
        doubt: Whether something is wrong with a row as a whole.

    Returns:
        One record a row: the columns of RAW, and `suspect`, true where `assemble` has a fault or an unknown label.
    """
    given = {name: field.text.is_not_null() for name, field in fields.items()}
    # The text of a sum is dear.
    given["bytes"] = given["orig_bytes"] | given["resp_bytes"]
    texts = [has.alias(f"text {name}") for name, has in given.items()]
    wrong = [_lacks(name) & pl.col(f"text {name}") for name in fields if name not in NEVER_NULL]
    suspect = pl.any_horizontal("_doubt", *map(_lacks, NEVER_NULL), *wrong)
    doubt = pl.any_horizontal(doubt, *(text.is_not_null() for text in unknown_texts(fields)))
    return rows.select(*texts, *_values(fields), _doubt=doubt).select(*RAW, suspect.alias("suspect"))


def unknown_texts(fields: Mapping[str, Field]) -> list[pl.Expr]:
    """Return the texts of all fields that nobody knows the meaning of."""
    return [field.unknown for field in fields.values() if field.unknown is not None]


def _values(fields: Mapping[str, Field]) -> list[pl.Expr]:
    """Give the columns of RAW."""
    usable = {name: _usable(name, field).cast(RAW[name]) for name, field in fields.items()}
    nothing = {name: pl.lit(None, dtype) for name, dtype in RAW.items() if name not in usable}
    return [(usable | nothing)[name].alias(name) for name in RAW]


def _faults(names: Iterable[str]) -> tuple[pl.Expr, pl.Expr]:
    """Give the first column at fault and its text; a missing text is given as the empty string."""
    row_error = pl.col("_row_error").cast(pl.String)
    wrong = {name: _is_wrong(name) for name in names}
    faults = [row_error, *(pl.when(bad).then(pl.lit(name)) for name, bad in wrong.items())]
    texts = [pl.when(bad).then(pl.col(f"text {name}").fill_null("")) for name, bad in wrong.items()]
    return pl.coalesce(faults), pl.coalesce(pl.when(row_error.is_not_null()).then(pl.lit("")), *texts)


def _is_wrong(name: str) -> pl.Expr:
    return _lacks(name) if name in NEVER_NULL else _lacks(name) & pl.col(f"text {name}").is_not_null()


def _lacks(name: str) -> pl.Expr:
    return pl.col(name).is_null()
