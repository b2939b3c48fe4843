"""Parquet whose columns already bear the raw schema's names; the six required ones suffice, others are passed over."""

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.labels import verdict
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers.base import Field, Reader, assemble, require_columns
from cybersec_assets.flows.schema import RAW, REQUIRED, TIMESTAMP
from cybersec_assets.flows.times import parse_time

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
        raise UnreadableLogError(f"{log.path} is damaged: {error}", "Fetch the file again") from error
    require_columns(log, set(schema), set(REQUIRED))
    rows = (
        pl.scan_parquet(log.path, glob=False)
        .rename(lambda name: PREFIX + name)
        .with_row_index("line", offset=1)
        .with_columns(pl.lit(str(log.path)).alias("file"))
    )
    return assemble(rows, {name: _field(name, schema[name]) for name in RAW if name in schema})


def _field(name: str, dtype: pl.DataType) -> Field:
    column = pl.col(PREFIX + name)
    text = column.cast(pl.String, strict=False)
    if name == "timestamp":
        return Field(text, _time(column, dtype))
    if name == "protocol":
        return Field(text, text.str.to_lowercase())
    if name in {"label", "alerted"} and dtype != pl.Boolean:
        return Field(verdict(text).cast(pl.String), verdict(text))
    return Field(text, column.cast(RAW[name], strict=False))


def _time(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if not isinstance(dtype, pl.Datetime):
        return parse_time(column.cast(pl.String, strict=False))
    return column.dt.replace_time_zone("UTC").cast(TIMESTAMP) if dtype.time_zone is None else column.cast(TIMESTAMP)


def recognises(log: LogFile) -> bool:
    """Tell Parquet by its magic number."""
    return log.head.startswith(MAGIC)


READER = Reader("parquet", recognises, scan)
