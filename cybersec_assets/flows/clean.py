"""Raw flows made fit for use: volumes without gaps, repeats out, and the columns that people filter by.

What does not belong here: the columns a model sees (`features`).
"""

import sys

import polars as pl

SMALL_BYTES = 500
MEDIUM_BYTES = 1_500
REPEATED = "repeated record"
"""Why a row is dropped: the same `uid` with the same time came before, as when a log is delivered twice."""


def count_repeats(raw: pl.LazyFrame) -> int:
    """Count the rows that repeat an earlier record; rows without a `uid` never do."""
    record = pl.struct("uid", "timestamp")
    known = raw.filter(pl.col("uid").is_not_null())
    # Records whose hashes all differ all differ, which shows in a third of the memory that the records would take.
    return _surplus(known, record.hash()) and _surplus(known, record)


def _surplus(known: pl.LazyFrame, key: pl.Expr) -> int:
    rows, keys = known.select(pl.len(), key.n_unique().alias("keys")).collect(engine="streaming").row(0)
    return int(rows - keys)


def clean(raw: pl.LazyFrame, repeats: int) -> pl.LazyFrame:
    """Give silver's columns, without the features.

    Args:
        raw: The columns of RAW.
        repeats: What `count_repeats` gave; 0 saves the search for them.

    Returns:
        RAW with `bytes` and `duration` 0 where the sensor left them unset, then `bytes_per_second` (0 where the
        duration is 0 or unknown), `timestamp_hour` (0 to 23, UTC) and `flow_size_category`.
    """
    filled = (_without_repeats(raw) if repeats else raw).with_columns(pl.col("bytes", "duration").fill_null(0))
    lasting = pl.col("duration") > 0
    # A duration next to nothing would make it infinite, which no model takes.
    speed = (pl.col("bytes") / pl.col("duration")).clip(upper_bound=sys.float_info.max)
    return filled.with_columns(
        pl.when(lasting).then(speed).otherwise(0.0).alias("bytes_per_second"),
        pl.col("timestamp").dt.hour().alias("timestamp_hour"),
        _size_category().alias("flow_size_category"),
    )


def _without_repeats(raw: pl.LazyFrame) -> pl.LazyFrame:
    first = pl.struct("uid", "timestamp").is_first_distinct()
    return raw.filter(pl.col("uid").is_null() | first)


def _size_category() -> pl.Expr:
    small = pl.when(pl.col("bytes") <= SMALL_BYTES).then(pl.lit("small"))
    return small.when(pl.col("bytes") <= MEDIUM_BYTES).then(pl.lit("medium")).otherwise(pl.lit("large"))
