"""How text becomes a point in time."""

import datetime as dt
from functools import cache

import polars as pl

from cybersec_assets.flows.schema import TIMESTAMP

MICROSECONDS = 1_000_000
EARLIEST = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
LATEST = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)


def plausible(time: pl.Expr) -> pl.Expr:
    """Give null for a time that Python's calendar does not reach, as of an epoch in milliseconds."""
    # Polars itself panics where it prints or takes apart such a time.
    return pl.when(time.is_between(*_limits())).then(time)


@cache
def _limits() -> tuple[pl.Expr, pl.Expr]:
    # Made when first used: a literal of this kind has Polars start its threads, which a process that forks must not
    # have begun; and once, as it takes longer than most of what a small file takes.
    return pl.lit(EARLIEST, TIMESTAMP), pl.lit(LATEST, TIMESTAMP)


def from_epoch(text: pl.Expr) -> pl.Expr:
    """Read seconds since 1970, with any fraction.

    Returns:
        UTC in microseconds; null where the text is no number or not `plausible`.
    """
    seconds = text.cast(pl.Float64, strict=False)
    # A float holds microseconds exactly until 2106, once it is rounded to them.
    return plausible((seconds * MICROSECONDS).round().cast(pl.Int64, strict=False).cast(TIMESTAMP))


def parse_time(text: pl.Expr) -> pl.Expr:
    """Read ISO 8601 (a naive time is UTC, any resolution, `T` or a space) or seconds since 1970.

    Returns:
        UTC in microseconds; null where the text is neither, or not `plausible`.
    """
    naive = _iso(text).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    return plausible(pl.coalesce(parse_zoned(text), naive.dt.replace_time_zone("UTC"), from_epoch(text)))


def parse_zoned(text: pl.Expr) -> pl.Expr:
    """Read what `parse_time` does if it is ISO 8601 with its zone, in a third of the time."""
    zoned = _iso(text).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    return plausible(zoned)


def _iso(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars().str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")


def seconds_between(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Give the seconds from one time to another, to the microsecond."""
    # Polars divides by a constant as it multiplies by its inverse, which is off by a bit.
    return ((end - start).dt.total_microseconds() / MICROSECONDS).round(6)
