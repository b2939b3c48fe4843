"""Parquet whose columns already bear the raw schema's names; the six required ones suffice, others are passed over."""

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.labels import verdict
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers.base import Field, Reader, assemble, each, host, require_columns
from cybersec_assets.flows.schema import RAW, REQUIRED, TIMESTAMP
from cybersec_assets.flows.times import parse_time, plausible

PREFIX = "parquet_"
MAGIC = b"PAR1"


def scan(log: LogFile) -> pl.LazyFrame:
    """Read a Parquet file lazily.

    Returns:
        The columns of RAW and ORIGIN, a record a row; a row's number stands for its line.

    Raises:
        UnreadableLogError: A required column is missing, or the file is damaged.
    """
    try:
        schema = pl.read_parquet_schema(log.path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableLogError(f"{log.name} is damaged: {error}", "Fetch the file again") from error
    require_columns(log, list(schema), REQUIRED)
    rows = (
        pl.scan_parquet(log.path, glob=False)
        .rename(lambda name: PREFIX + name)
        .with_row_index("line", offset=1)
        .with_columns(pl.lit(log.name).alias("file"))
    )
    return assemble(rows, {name: _field(name, schema[name]) for name in RAW if name in schema})


def _field(name: str, dtype: pl.DataType) -> Field:
    column = pl.col(PREFIX + name)
    # Polars panics where it writes a time beyond the calendar, so a time at fault shows as the number that it is.
    text = (column.to_physical() if isinstance(dtype, pl.Datetime) else column).cast(pl.String, strict=False)
    if name == "timestamp":
        return Field(text, _time(column, dtype))
    if name == "protocol":
        return Field(text, text.str.to_lowercase())
    if name in {"label", "alerted"} and dtype != pl.Boolean:
        return Field(verdict(text).cast(pl.String), verdict(text))
    if name in {"src_ip", "dst_ip"}:
        return Field(text, host(text))
    if RAW[name].is_numeric():
        return Field(text, _number(column, dtype, RAW[name]))
    return Field(text, column.cast(RAW[name], strict=False))


def _number(column: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """Read a number; a date is none, and a fraction is none where a whole number belongs."""
    if not dtype.is_numeric():
        column = column.cast(pl.String, strict=False)
    elif target.is_integer() and not dtype.is_integer():
        column = pl.when(column == column.round()).then(column)
    return column.cast(target, strict=False)


def _time(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if not isinstance(dtype, pl.Datetime):
        return parse_time(column.cast(pl.String, strict=False))
    zoned = column.dt.replace_time_zone("UTC") if dtype.time_zone is None else column
    return plausible(zoned.cast(TIMESTAMP, strict=False))


def recognises(log: LogFile) -> bool:
    """Tell Parquet by its magic number."""
    return log.head.startswith(MAGIC)


READER = Reader("parquet", recognises, each(scan))
