"""How text and numbers become a point in time.

A number is an epoch: the time since 1970-01-01 UTC. Its magnitude decides its unit, value by value, so that one file
may mix units. The ranges do not overlap; a number between two of them is no time.

| unit         | from                        | below                     | which is                    |
| ------------ | --------------------------- | ------------------------- | --------------------------- |
| seconds      | 0                           | 100,000,000,000           | 1970-01-01 until 5138-11-16 |
| milliseconds | 100,000,000,000             | 9,007,199,254,740         | 1973-03-03 until 2255-06-05 |
| microseconds | 100,000,000,000,000         | 9,007,199,254,740,992     | the same                    |
| nanoseconds  | 100,000,000,000,000,000     | 9,007,199,254,740,992,000 | the same                    |

In 2255 a float stops holding every whole microsecond. An earlier end for the finer units also refuses what is no
epoch at all, such as the date and time `20200101120000` written as one number.
"""

import datetime as dt
from functools import cache

import polars as pl

from cybersec_assets.flows.schema import TIMESTAMP

MICROSECONDS = 1_000_000
FINE_FROM = 100_000_000_000
"""The first number that is an epoch in milliseconds and not in seconds; times 1,000 for each finer unit."""
EXACT = 2**53
"""The first whole number of microseconds that floats do not hold exactly with all its neighbours."""
EARLIEST = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
LATEST = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)


def plausible(time: pl.Expr) -> pl.Expr:
    """Return null in place of a time that Python's calendar does not reach."""
    # Polars itself panics where it prints or takes apart such a time.
    return pl.when(time.is_between(*_limits())).then(time)


@cache
def _limits() -> tuple[pl.Expr, pl.Expr]:
    # Made when first used: a literal of this kind has Polars start its threads, which a process that forks must not
    # have begun; and once, as it takes longer than most of what a small file takes.
    return pl.lit(EARLIEST, TIMESTAMP), pl.lit(LATEST, TIMESTAMP)


def from_epoch(text: pl.Expr) -> pl.Expr:
    """Read an epoch in seconds, milliseconds, microseconds or nanoseconds, with any fraction.

    Args:
        text: The number as text.

    Returns:
        UTC in microseconds; nanoseconds below one are cut off. Null where the text is no number, is negative, or is in
        none of the ranges above.
    """
    # As an integer, as a float does not hold the nanoseconds of today.
    whole = text.str.strip_suffix(".0").cast(pl.Int64, strict=False)
    microseconds = (
        pl.when(_is_seconds(whole))
        .then(whole * MICROSECONDS)
        .when(_is_milliseconds(whole))
        .then(whole * 1_000)
        .when(_is_microseconds(whole))
        .then(whole)
        .when(_is_nanoseconds(whole))
        .then(whole // 1_000)
    )
    number = text.cast(pl.Float64, strict=False)
    nanoseconds = pl.when(_is_nanoseconds(number)).then(number).cast(pl.Int64, strict=False)
    other = pl.coalesce(from_float_epoch(number), ((nanoseconds + 500) // 1_000).cast(TIMESTAMP))
    return pl.when(whole.is_null()).then(other).otherwise(microseconds.cast(TIMESTAMP))


def from_float_epoch(number: pl.Expr) -> pl.Expr:
    """Read an epoch that has become a float: in seconds, milliseconds or microseconds.

    Args:
        number: The number, or text that is cast to one.

    Returns:
        What `from_epoch` returns; null for nanoseconds, which a float does not hold exactly.
    """
    seconds = number.cast(pl.Float64, strict=False)
    microseconds = (
        pl.when(_is_seconds(seconds))
        .then(seconds * MICROSECONDS)
        .when(_is_milliseconds(seconds))
        .then(seconds * 1_000)
        .when(_is_microseconds(seconds))
        .then(seconds)
    )
    return microseconds.round().cast(pl.Int64, strict=False).cast(TIMESTAMP)


def _is_seconds(number: pl.Expr) -> pl.Expr:
    return number.is_between(0, FINE_FROM, closed="left")


def _is_milliseconds(number: pl.Expr) -> pl.Expr:
    return number.is_between(FINE_FROM, EXACT // 1_000, closed="left")


def _is_microseconds(number: pl.Expr) -> pl.Expr:
    return number.is_between(FINE_FROM * 1_000, EXACT, closed="left")


def _is_nanoseconds(number: pl.Expr) -> pl.Expr:
    return number.is_between(FINE_FROM * 1_000_000, EXACT * 1_000, closed="left")


def parse_time(text: pl.Expr) -> pl.Expr:
    """Read ISO 8601 (a naive time is UTC, any resolution, `T` or a space) or an epoch as `from_epoch` does.

    Returns:
        UTC in microseconds; null where the text is neither, or not `plausible`.
    """
    naive = _iso(text).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    return pl.coalesce(parse_zoned(text), plausible(naive.dt.replace_time_zone("UTC")), from_epoch(text))


def parse_zoned(text: pl.Expr) -> pl.Expr:
    """Read what `parse_time` reads if it is ISO 8601 with its zone, in a third of the time."""
    zoned = _iso(text).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    return plausible(zoned)


def _iso(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars().str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")


def seconds_between(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Give the seconds from one time to another, to the microsecond."""
    # Polars divides by a constant as it multiplies by its inverse, which is off by a bit.
    return ((end - start).dt.total_microseconds() / MICROSECONDS).round(6)
