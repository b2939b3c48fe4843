"""Make silver from raw flows: fill missing volumes, drop repeated records, and add columns for filtering.

The columns that a model uses are in `features`.
"""

import sys

import polars as pl

SMALL_BYTES = 500
MEDIUM_BYTES = 1_500
REPEATED = "repeated record"
"""The reason for dropping a row whose `uid` and time have occurred before, as when a log is delivered twice."""


def count_repeats(raw: pl.LazyFrame) -> int:
    """Return the number of rows that repeat an earlier record. Rows without a `uid` are never repeats."""
    record = pl.struct("uid", "timestamp")
    known = raw.filter(pl.col("uid").is_not_null())
    # Different hashes prove different records, in a third of the memory.
    return _duplicates(known, record.hash()) and _duplicates(known, record)


def _duplicates(known: pl.LazyFrame, key: pl.Expr) -> int:
    rows, keys = known.select(pl.len(), key.n_unique().alias("keys")).collect(engine="streaming").row(0)
    return int(rows - keys)


def clean(raw: pl.LazyFrame, repeats: int) -> pl.LazyFrame:
    """Return the columns of silver, without the features.

    Args:
        raw: The columns of RAW_SCHEMA.
        repeats: The result of `count_repeats`. If it is 0, they are not searched for again.

    Returns:
        The same, with unset `bytes` and `duration` as 0, then `bytes_per_second` (0 if the duration is 0 or unknown),
        `timestamp_hour` (0 to 23, UTC) and `flow_size_category`.
    """
    if repeats:
        raw = raw.filter(pl.col("uid").is_null() | pl.struct("uid", "timestamp").is_first_distinct())
    filled = raw.with_columns(pl.col("bytes", "duration").fill_null(0))
    # A tiny duration would make the speed infinite, which models reject.
    speed = (pl.col("bytes") / pl.col("duration")).clip(upper_bound=sys.float_info.max)
    small = pl.when(pl.col("bytes") <= SMALL_BYTES).then(pl.lit("small"))
    size = small.when(pl.col("bytes") <= MEDIUM_BYTES).then(pl.lit("medium")).otherwise(pl.lit("large"))
    return filled.with_columns(
        pl.when(pl.col("duration") > 0).then(speed).otherwise(0.0).alias("bytes_per_second"),
        pl.col("timestamp").dt.hour().alias("timestamp_hour"),
        size.alias("flow_size_category"),
    )
