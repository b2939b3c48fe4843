"""What a reader is, and how its columns become the raw schema's with every fault kept.

A reader maps each raw column to a `Field`: the text as the log has it, and the parsed value. A record is at fault
where a text is there and no value came of it, or where a value that may never be null is missing. Nothing is
dropped here: the caller decides what a fault costs.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.parsing.addresses import ADDRESS
from cybersec_assets.flows.schema import LAST_PORT, NEVER_NULL, PORTS, RAW, VOLUMES

Scan = Callable[[Sequence[LogFile]], pl.LazyFrame]
"""Reads files lazily."""
READING_FAILED = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What ends a reading: Polars panics, too, over a damaged file's contents, and that is no `Exception`."""


@dataclass(frozen=True)
class Reader:
    """A log format.

    Attributes:
        name: Its name in `FLOWS_FORMAT`.
        recognises: Tells by a file's head whether it is of this format.
        scan: Gives the records of files lazily: the columns of RAW, then those of ORIGIN.
        quick: Where there is a faster way for files without a fault: gives the columns of RAW, then `suspect`, true
            for a record of which only `scan` can tell whether it is at fault. Where none is, both give the same.
        together: Whether one file says something of another's records, so that a day's are read at once.
        mapped: Whether FLOWS_COLUMNS can tell it which columns are meant.
        deadly: Whether a damaged file may end the process that reads it. `scan` can be pickled then.
        json: Whether a record is a JSON object.
        prefixed: Whether no record begins as the prefix of a transport does, so that a line that does has one.
    """

    name: str
    recognises: Callable[[LogFile], bool]
    scan: Scan
    quick: Scan | None = None
    together: bool = False
    mapped: bool = False
    deadly: bool = False
    json: bool = False
    prefixed: bool = False


def each(scan: Callable[[LogFile], pl.LazyFrame]) -> Scan:
    """Read files one by one, as formats do in which no file says anything of another's records."""
    return partial(_each, scan)


def _each(scan: Callable[[LogFile], pl.LazyFrame], logs: Sequence[LogFile]) -> pl.LazyFrame:
    return pl.concat([scan(log) for log in logs])


def unchanged(batch: pl.DataFrame) -> pl.DataFrame:
    """Give a batch as it is, for `map_batches`: what Polars may not push below it, it does above."""
    return batch


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


MAX_COLUMNS = 1_000
"""No flow log comes near it, and every column costs memory."""


def require_columns(log: LogFile, have: Sequence[str], need: Collection[str]) -> None:
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


def words(text: pl.Expr) -> Field:
    """Take text as it is."""
    return Field(text, text)


def those_present(
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


def assemble(rows: pl.LazyFrame, fields: Mapping[str, Field], *, misfit: pl.Expr | None = None) -> pl.LazyFrame:
    """Turn a log's own rows into records of RAW and ORIGIN.

    Args:
        rows: The log's rows, with the columns `file` and `line` and those that the fields use.
        fields: The source of each raw column that the log has; those in REQUIRED must be there.
        misfit: What is wrong with a row as a whole, as with its number of fields; null where nothing is.

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
        _misfit=pl.lit(None) if misfit is None else misfit,
        _unknown=pl.coalesce(*unknown_texts(fields), pl.lit(None, pl.String)),
    )
    fault, value = _faults(fields)
    return parsed.select(*RAW, "file", "line", fault.alias("fault"), pl.coalesce(value, "_unknown").alias("value"))


def screen(rows: pl.LazyFrame, fields: Mapping[str, Field], doubt: pl.Expr) -> pl.LazyFrame:
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
    misfit = pl.col("_misfit").cast(pl.String)
    wrong = {name: _is_wrong(name) for name in names}
    faults = [misfit, *(pl.when(bad).then(pl.lit(name)) for name, bad in wrong.items())]
    texts = [pl.when(bad).then(pl.col(f"text {name}").fill_null("")) for name, bad in wrong.items()]
    return pl.coalesce(faults), pl.coalesce(pl.when(misfit.is_not_null()).then(pl.lit("")), *texts)


def _is_wrong(name: str) -> pl.Expr:
    return _lacks(name) if name in NEVER_NULL else _lacks(name) & pl.col(f"text {name}").is_not_null()


def _lacks(name: str) -> pl.Expr:
    return pl.col(name).is_null()
