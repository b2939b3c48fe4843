"""Parquet: columns that bear the raw schema's names, or that FLOWS_COLUMNS gives them; others are passed over."""

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.parsing.mapped_fields import Cell, table_of
from cybersec_assets.flows.parsing.mapping import Columns
from cybersec_assets.flows.parsing.records import assemble
from cybersec_assets.flows.readers.base import READING_FAILED, Reader, each
from cybersec_assets.flows.staging import StagedLog, is_text

PREFIX = "parquet_"
FEW_ROWS = 1_000_000
"""So many rows may be all alike, and take next to nothing; beyond them no log has more rows than bytes."""


def scan(log: StagedLog, columns: Columns | None = None) -> pl.LazyFrame:
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
    table = table_of(log, list(schema), columns)
    _require_plausible(log)
    rows = (
        pl.scan_parquet(log.path, glob=False)
        .rename(lambda name: PREFIX + name)
        .with_row_index("line", offset=1)
        .with_columns(pl.lit(log.name).alias("file"))
    )
    cells = [Cell(pl.col(PREFIX + name), dtype) for name, dtype in schema.items()]
    if (no_flow := table.no_flow(cells.__getitem__)) is not None:
        rows = log.line_counts.skip(rows, no_flow)
    return assemble(rows, table.fields(cells.__getitem__))


def _require_plausible(log: StagedLog) -> None:
    """Refuse a file of a few bytes that would become millions of rows, which Polars holds a row group at a time."""
    rows = int(pl.scan_parquet(log.path, glob=False).select(pl.len()).collect().item())
    log.line_counts.rows = rows
    if rows > max(FEW_ROWS, log.path.stat().st_size):
        raise UnreadableLogError(f"{log.name} has {rows:,} rows in fewer bytes", "Remove it: it is not a flow log")


def recognises(log: StagedLog) -> bool:
    """Tell Parquet by its magic number."""
    return not is_text(log.head)


# A page that claims more values than there are has Polars ask for memory that no machine has, which ends the process.
READER = Reader("parquet", recognises, each(scan), mapped=True, isolate=True)
