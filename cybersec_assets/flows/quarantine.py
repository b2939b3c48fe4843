"""Store damaged lines with their place and error, so that nothing that a sensor wrote is lost."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from cybersec_assets.flows.parsing.lines import SENTINEL, scan_lines
from cybersec_assets.flows.plan import DayLogs
from cybersec_assets.flows.staging import is_text
from cybersec_assets.redaction import MARK, known_secrets, spellings_of

QUARANTINE = ("file", "line", "fault", "value", "text")
"""The columns: a record's place, the column or other thing that is wrong, its value there, and the whole line."""


def write_quarantine(rejected: Path, logs: DayLogs, to: Path) -> None:
    """Write damaged records with their lines.

    Args:
        rejected: Parquet with the columns of ORIGIN.
        logs: The logs that the records are from.
        to: The file to write. Its `text` is null for formats without lines, and where logs may not be quoted.
    """
    records = pl.concat(list(_by_file(pl.scan_parquet(rejected), logs))).select(QUARANTINE)
    if secrets := spellings_of(known_secrets()):
        # FLOWS_URI may match a file of secrets. They must not reach readers of the bucket.
        records = records.with_columns(pl.col("value", "text").str.replace_many(secrets, [MARK], leftmost=True))
    records.sink_parquet(to)


def _by_file(rejected: pl.LazyFrame, logs: DayLogs) -> Iterator[pl.LazyFrame]:
    damaged = set(rejected.select(pl.col("file").unique()).collect(engine="streaming")["file"])
    for log in logs.files:
        if log.name not in damaged:
            continue
        records = rejected.filter(pl.col("file") == log.name)
        if is_text(log.head) and logs.quotes:
            text = pl.concat_str("text", "rest", separator=SENTINEL, ignore_nulls=True).alias("text")
            # Keep the original line, not the record that was inside its wrapper.
            lines = scan_lines(replace(log, path=log.original or log.path)).select("line", text)
            yield lines.join(records, on="line", how="inner", maintain_order="left").select(QUARANTINE)
        else:
            yield records.with_columns(pl.lit(None, pl.String).alias("text")).select(QUARANTINE)
