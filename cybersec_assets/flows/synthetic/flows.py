"""Generate a day of labelled flows: ordinary traffic with four kinds of attack.

The day is generated in slices, each with a random generator that is seeded by date and slice. The same date always
gives the same flows, and any number of flows needs the memory of one slice. Volumes and durations are heavy-tailed
(log-normal), as in real networks.
"""

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from cybersec_assets.flows.day import UTC, Day
from cybersec_assets.flows.schema import ORIGIN, RAW_SCHEMA, TIMESTAMP
from cybersec_assets.flows.synthetic.traffic import ATTACKS, Slice, normal

SLICE_FLOWS = 100_000
ATTACK_SHARE = 0.005
"""The share of each kind of attack."""
SECONDS_PER_DAY = 86_400


def synthetic_flows(day: dt.date, flows: int, zone: ZoneInfo = UTC) -> pl.LazyFrame:
    """Return the flows of a day lazily.

    Args:
        day: The day, which determines the flows.
        flows: The number of flows.
        zone: The time zone of the day.

    Returns:
        The columns of RAW_SCHEMA, with labels, and ORIGIN, in order of time.
    """
    schema = RAW_SCHEMA | ORIGIN

    def slices(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = flows if n_rows is None else min(n_rows, flows)
        for begin in range(0, wanted, SLICE_FLOWS):
            frame = _make_slice(Day(day, zone), begin, flows).head(wanted - begin)
            frame = frame if predicate is None else frame.filter(predicate)
            yield frame if with_columns is None else frame.select(with_columns)

    return register_io_source(slices, schema=schema, is_pure=True)


def _make_slice(day: Day, begin: int, total: int) -> pl.DataFrame:
    count = min(SLICE_FLOWS, total - begin)
    part = Slice(
        np.random.default_rng([day.date.toordinal(), begin]),
        SECONDS_PER_DAY * begin / total,
        SECONDS_PER_DAY * (begin + count) / total,
    )
    attacks = [kind(part, round(count * ATTACK_SHARE)) for kind in ATTACKS]
    ordinary = normal(part, count - len(ATTACKS) * round(count * ATTACK_SHARE))
    kinds = [
        pl.DataFrame({**ordinary, "label": False}),
        *(pl.DataFrame({**attack, "label": True}) for attack in attacks),
    ]
    frame = pl.concat(kinds, how="diagonal_relaxed", rechunk=True)
    # The rows are nearly sorted, which NumPy's stable sort exploits and Polars' sort does not.
    return _finish(frame[frame["second"].to_numpy().argsort(kind="stable")], day, begin)


def _finish(frame: pl.DataFrame, day: Day, begin: int) -> pl.DataFrame:
    since = (pl.col("second") * 1e6).cast(pl.Int64).cast(pl.Duration("us"))
    number = pl.int_range(begin, begin + frame.height, dtype=pl.UInt32)
    full = frame.with_columns(
        (pl.lit(day.begin, TIMESTAMP) + since).alias("timestamp"),
        (pl.col("orig_bytes") + pl.col("resp_bytes")).alias("bytes"),
        pl.format("S{}-{}", pl.lit(day.date.isoformat()), number).alias("uid"),
        pl.lit("synthetic").alias("file"),
        (number + 1).alias("line"),
    )
    missing = [
        pl.lit(None, dtype).alias(name) for name, dtype in (RAW_SCHEMA | ORIGIN).items() if name not in full.columns
    ]
    return full.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in (RAW_SCHEMA | ORIGIN).items())
