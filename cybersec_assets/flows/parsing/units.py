"""Convert numbers with a unit to durations in seconds and to points in time."""

import polars as pl

from cybersec_assets.flows.parsing.times import parse_time, plausible
from cybersec_assets.flows.schema import TIMESTAMP

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
NANOSECONDS = PER_SECOND["ns"]
INTEGER = r"^[+-]?\d{1,19}$"
"""Integers that fit 128 bits after conversion from any unit to nanoseconds."""
DAY_FIRST = ("%d/%m/%Y %H:%M:%S%.f", "%d/%m/%Y %H:%M", "%d/%m/%Y %I:%M:%S%.f %p", "%d/%m/%Y %I:%M %p")
WHOLE_YEAR = r"/\d{4} "


def seconds(number: pl.Expr, unit: str) -> pl.Expr:
    """Return a number of a unit in seconds, as the float nearest to the exact quotient."""
    value = number.cast(pl.Float64, strict=False)
    # Polars multiplies by the inverse of a constant divisor, which is inexact. Dividing by a column is exact.
    return value if unit == "s" else value / (value * 0 + PER_SECOND[unit])


def epoch_nanoseconds(text: pl.Expr, unit: str) -> pl.Expr:
    """Convert a number of a unit since 1970 to whole nanoseconds, null if it is not a number or not plausible.

    Whole numbers are exact. Fractions are rounded to microseconds, the precision of a float for current times.
    """
    factor = NANOSECONDS // PER_SECOND[unit]
    whole = pl.when(text.str.contains(INTEGER)).then(text).cast(pl.Int128, strict=False) * factor
    microseconds = (seconds(text, unit) * PER_SECOND["us"]).round().cast(pl.Int64, strict=False)
    nanoseconds = pl.coalesce(whole, microseconds.cast(pl.Int128) * 1_000)
    return pl.when(instant(nanoseconds).is_not_null()).then(nanoseconds)


def instant(nanoseconds: pl.Expr) -> pl.Expr:
    """Return nanoseconds since 1970 as a time, null if it is not `plausible`."""
    return plausible((nanoseconds // 1_000).cast(pl.Int64, strict=False).cast(TIMESTAMP))


def parse_day_first(text: pl.Expr) -> pl.Expr:
    """Read times with the day first, such as `5/7/2017 8:42` and `03/07/2017 08:55:58 PM`, or as `parse_time` does.

    Returns:
        UTC in microseconds. With AM or PM the hour is 1 to 12, otherwise 0 to 23. Years of two digits give null.
    """
    dated = pl.when(text.str.contains(WHOLE_YEAR)).then(text.str.strip_chars())
    parsed = [dated.str.to_datetime(form, time_unit="us", strict=False) for form in DAY_FIRST]
    return pl.coalesce(plausible(pl.coalesce(parsed).dt.replace_time_zone("UTC")), parse_time(text))
