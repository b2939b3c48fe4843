"""Read Parquet files with the raw schema's column names, or as FLOWS_COLUMNS maps them. Other columns are ignored."""

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.parsing.mapped_fields import Cell, table_of
from cybersec_assets.flows.parsing.mapping import Columns
from cybersec_assets.flows.parsing.records import assemble
from cybersec_assets.flows.readers.base import READING_FAILED, Reader, each
from cybersec_assets.flows.staging import StagedLog, is_text

PREFIX = "parquet_"
FEW_ROWS = 1_000_000
"""The number of rows from which a file must have at least a byte for each row. Fewer may compress to almost nothing."""


def scan(log: StagedLog, columns: Columns | None = None) -> pl.LazyFrame:
    """Read a Parquet file lazily.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN, a record for each row; `line` is the number of the row.

    Raises:
        UnreadableLogError: A required or mapped column is missing, or the file is damaged or a decompression bomb.
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
    """Reject a small file that would become millions of rows. Polars holds a whole row group in memory."""
    rows = int(pl.scan_parquet(log.path, glob=False).select(pl.len()).collect().item())
    log.line_counts.rows = rows
    if rows > max(FEW_ROWS, log.path.stat().st_size):
        raise UnreadableLogError(f"{log.name} has {rows:,} rows in fewer bytes", "Remove it: it is not a flow log")


def recognises(log: StagedLog) -> bool:
    """Return whether a file begins with the magic number of Parquet."""
    return not is_text(log.head)


# Where a page claims more values than it has, Polars requests memory that no machine has, and the process aborts.
READER = Reader("parquet", recognises, each(scan), mapped=True, isolate=True)
