"""Numbers with a unit, as durations in seconds and as points in time."""

import polars as pl

from cybersec_assets.flows.parsing.times import parse_time, plausible
from cybersec_assets.flows.schema import TIMESTAMP

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""How many of a unit make a second."""
NANOSECONDS = PER_SECOND["ns"]
INTEGER = r"^[+-]?\d{1,19}$"
"""What 128 bits hold in nanoseconds, whatever the unit."""
DAY_FIRST = ("%d/%m/%Y %H:%M:%S%.f", "%d/%m/%Y %H:%M", "%d/%m/%Y %I:%M:%S%.f %p", "%d/%m/%Y %I:%M %p")
WHOLE_YEAR = r"/\d{4} "


def seconds(number: pl.Expr, unit: str) -> pl.Expr:
    """Return a number of a unit in seconds, as the float next to the exact quotient."""
    value = number.cast(pl.Float64, strict=False)
    # Polars multiplies by the inverse of a constant, which is off by a bit; it divides by a column.
    return value if unit == "s" else value / (value * 0 + PER_SECOND[unit])


def epoch_nanoseconds(text: pl.Expr, unit: str) -> pl.Expr:
    """Return a number of a unit since 1970 in whole nanoseconds, null where the text is no number or not plausible.

    Whole numbers are exact; fractions are rounded to microseconds, since a float holds no more of today's times.
    """
    factor = NANOSECONDS // PER_SECOND[unit]
    whole = pl.when(text.str.contains(INTEGER)).then(text).cast(pl.Int128, strict=False) * factor
    microseconds = (seconds(text, unit) * PER_SECOND["us"]).round().cast(pl.Int64, strict=False)
    nanoseconds = pl.coalesce(whole, microseconds.cast(pl.Int128) * 1_000)
    return pl.when(instant(nanoseconds).is_not_null()).then(nanoseconds)


def instant(nanoseconds: pl.Expr) -> pl.Expr:
    """Return nanoseconds since 1970 as a time, null where it is not `plausible`."""
    return plausible((nanoseconds // 1_000).cast(pl.Int64, strict=False).cast(TIMESTAMP))


def parse_day_first(text: pl.Expr) -> pl.Expr:
    """Read times such as `5/7/2017 8:42` and `03/07/2017 08:55:58 PM`, with the day first, or what `parse_time` does.

    Returns:
        UTC in microseconds. With AM or PM the hour is 1 to 12, else 0 to 23; a year of two digits is null.
    """
    dated = pl.when(text.str.contains(WHOLE_YEAR)).then(text.str.strip_chars())
    read = [dated.str.to_datetime(form, time_unit="us", strict=False) for form in DAY_FIRST]
    return pl.coalesce(plausible(pl.coalesce(read).dt.replace_time_zone("UTC")), parse_time(text))
