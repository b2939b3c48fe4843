"""A log's lines as they stand, each whole and with its number."""

import polars as pl

from cybersec_assets.flows.logfile import LogFile

NEVER = "\x01"
"""No log has such a character: what stands behind one shows in `rest`."""


def scan_lines(log: LogFile) -> pl.LazyFrame:
    """Read a log's lines lazily.

    Returns:
        A row a line, blank ones too: `file`; `line`, its number there; `text`; `rest`, null unless the line has NEVER.
    """
    rows = pl.scan_csv(
        log.path,
        has_header=False,
        separator=NEVER,
        quote_char=None,
        schema={"text": pl.String, "rest": pl.String},
        missing_columns="insert",
        extra_columns="ignore",
        encoding="utf8-lossy",
        row_index_name="line",
        row_index_offset=log.first_line,
        glob=False,
    )
    return rows.select(pl.lit(log.name).alias("file"), pl.col("line").cast(pl.UInt32), "text", "rest")
