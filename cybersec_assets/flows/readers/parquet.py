"""Parquet: columns that bear the raw schema's names, or that FLOWS_COLUMNS gives them; others are passed over."""

from collections.abc import Mapping

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.logfile import LogFile, is_text
from cybersec_assets.flows.parsing.columns import Constant, Term
from cybersec_assets.flows.parsing.fields import constant_field, terms_of, text_field, total
from cybersec_assets.flows.parsing.times import plausible
from cybersec_assets.flows.readers.base import READING_FAILED, Field, Reader, assemble, each
from cybersec_assets.flows.schema import RAW, TIMESTAMP

PREFIX = "parquet_"
FEW_ROWS = 1_000_000
"""So many rows may be all alike, and take next to nothing; beyond them no log has more rows than bytes."""


def scan(log: LogFile) -> pl.LazyFrame:
    """Read a Parquet file lazily.

    Returns:
        The columns of RAW and ORIGIN, a record a row; a row's number stands for its line.

    Raises:
        UnreadableLogError: A column is missing that is required or mapped, or the file is damaged or a bomb.
    """
    try:
        schema = pl.read_parquet_schema(log.path)
    except (*READING_FAILED, OSError) as error:
        raise UnreadableLogError(f"{log.name} is damaged: {error}", "Fetch the file again") from error
    columns = terms_of(log, list(schema))
    _require_plausible(log)
    rows = (
        pl.scan_parquet(log.path, glob=False)
        .rename(lambda name: PREFIX + name)
        .with_row_index("line", offset=1)
        .with_columns(pl.lit(log.name).alias("file"))
    )
    fields = {raw: total(raw, [_field(raw, term, schema) for term in terms]) for raw, terms in columns.items()}
    return assemble(rows, fields)


def _require_plausible(log: LogFile) -> None:
    """Refuse a file of a few bytes that would become millions of rows, which Polars holds a row group at a time."""
    rows = int(pl.scan_parquet(log.path, glob=False).select(pl.len()).collect().item())
    log.tally.rows = rows
    if rows > max(FEW_ROWS, log.path.stat().st_size):
        raise UnreadableLogError(f"{log.name} has {rows:,} rows in fewer bytes", "Take it out: it is no log")


def _field(raw: str, term: Term, schema: Mapping[str, pl.DataType]) -> Field:
    if isinstance(term, Constant):
        return constant_field(raw, term)
    column, dtype = pl.col(PREFIX + term.name), schema[term.name]
    # Polars panics where it writes a time beyond the calendar, so a time at fault shows as the number that it is.
    text = (column.to_physical() if isinstance(dtype, pl.Datetime) else column).cast(pl.String, strict=False)
    if raw == "timestamp" and isinstance(dtype, pl.Datetime):
        zoned = column.dt.replace_time_zone("UTC") if dtype.time_zone is None else column
        return Field(text, plausible(zoned.cast(TIMESTAMP, strict=False)))
    if RAW[raw].is_numeric() and dtype.is_numeric():
        return Field(text, _number(column, dtype, RAW[raw]))
    return text_field(raw, text)


def _number(column: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """Read a number; a fraction is none where a whole number belongs."""
    if target.is_integer() and not dtype.is_integer():
        column = pl.when(column == column.round()).then(column)
    return column.cast(target, strict=False)


def recognises(log: LogFile) -> bool:
    """Tell Parquet by its magic number."""
    return not is_text(log.head)


# A page that claims more values than there are has Polars ask for memory that no machine has, which ends the process.
READER = Reader("parquet", recognises, each(scan), mapped=True, deadly=True)
