"""CSV whose columns already bear the raw schema's names; the six required ones suffice, others are passed over."""

import polars as pl

from cybersec_assets.flows.labels import verdict
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers.base import Field, Reader, assemble, require_columns
from cybersec_assets.flows.schema import RAW, REQUIRED
from cybersec_assets.flows.times import parse_time

PREFIX = "csv_"
RECOGNISED_BY = 2
"""How many of the required names a first line bears to be taken for a header."""


def header_of(log: LogFile) -> list[str]:
    """Give the names in a CSV file's first line."""
    lines = log.first_lines
    return [name.strip().strip('"') for name in lines[0].lstrip("\ufeff").split(",")] if lines else []


def scan(log: LogFile) -> pl.LazyFrame:
    """Read a CSV file lazily.

    Returns:
        The columns of RAW and ORIGIN, a record a row. Line numbers take each row for one line.

    Raises:
        UnreadableLogError: A required column is missing.
    """
    names = header_of(log)
    require_columns(log, set(names), set(REQUIRED))
    rows = (
        pl.scan_csv(log.path, infer_schema=False, encoding="utf8-lossy", glob=False, truncate_ragged_lines=True)
        .rename(lambda name: PREFIX + name.strip())
        .with_row_index("line", offset=2)
        .with_columns(pl.lit(str(log.path)).alias("file"))
    )
    return assemble(rows, {name: _field(name) for name in RAW if name in names})


def _field(name: str) -> Field:
    text = pl.col(PREFIX + name)
    if name == "timestamp":
        return Field(text, parse_time(text))
    if name == "protocol":
        return Field(text, text.str.to_lowercase())
    if name in {"label", "alerted"}:
        return Field(verdict(text).cast(pl.String), verdict(text))
    return Field(text, text.cast(RAW[name], strict=False))


def recognises(log: LogFile) -> bool:
    """Tell by a first line that names raw columns."""
    return len(set(header_of(log)) & set(REQUIRED)) >= RECOGNISED_BY


READER = Reader("csv", recognises, scan)
