"""CSV whose columns already bear the raw schema's names; the six required ones suffice, others are passed over."""

import csv

import polars as pl

from cybersec_assets.flows.labels import verdict
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers.base import Field, Reader, assemble, each, host, require_columns
from cybersec_assets.flows.schema import RAW, REQUIRED
from cybersec_assets.flows.times import parse_time

RECOGNISED_BY = 2
"""How many of the required names a first line bears to be taken for a header."""


def header_of(log: LogFile) -> list[str]:
    """Give the names in a CSV file's first line."""
    # A carriage return inside of a line, as in a file that is no CSV, is an error to the csv module.
    first = log.first_lines[0].removeprefix("\ufeff").replace("\r", "")
    return [name.strip() for name in next(csv.reader([first]), [])]


def scan(log: LogFile) -> pl.LazyFrame:
    """Read a CSV file lazily.

    Returns:
        The columns of RAW and ORIGIN, a record a row. Line numbers take each row for one line. What a row is too
        short for counts as unset, since Polars does not tell it from a field left empty.

    Raises:
        UnreadableLogError: A required column is missing.
    """
    names = header_of(log)
    require_columns(log, names, REQUIRED)
    # One column more than the header names shows a row that is too long.
    columns = [f"c{i}" for i in range(len(names) + 1)]
    rows = pl.scan_csv(
        log.path,
        has_header=False,
        skip_lines=1,
        schema=dict.fromkeys(columns, pl.String),
        missing_columns="insert",
        extra_columns="ignore",
        encoding="utf8-lossy",
        row_index_name="line",
        row_index_offset=2,
        glob=False,
    ).with_columns(pl.lit(log.name).alias("file"), pl.col("line").cast(pl.UInt32))
    fields = {name: _field(name, f"c{names.index(name)}") for name in RAW if name in names}
    too_long = pl.when(pl.col(columns[-1]).is_not_null()).then(pl.lit("number of fields"))
    return assemble(rows, fields, misfit=too_long)


def _field(name: str, column: str) -> Field:
    text = pl.when(pl.col(column) != "").then(pl.col(column))
    if name == "timestamp":
        return Field(text, parse_time(text))
    if name == "protocol":
        return Field(text, text.str.to_lowercase())
    if name in {"label", "alerted"}:
        return Field(verdict(text).cast(pl.String), verdict(text))
    if name in {"src_ip", "dst_ip"}:
        return Field(text, host(text))
    return Field(text, text.cast(RAW[name], strict=False))


def recognises(log: LogFile) -> bool:
    """Tell by a first line that names raw columns."""
    return len(set(header_of(log)) & set(REQUIRED)) >= RECOGNISED_BY


READER = Reader("csv", recognises, each(scan))
