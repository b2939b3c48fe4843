"""How text becomes a point in time."""

import polars as pl

from cybersec_assets.flows.schema import TIMESTAMP

MICROSECONDS = 1_000_000


def from_epoch(text: pl.Expr) -> pl.Expr:
    """Read seconds since 1970, with any fraction.

    Returns:
        UTC in microseconds; null where the text is no number.
    """
    seconds = text.cast(pl.Float64, strict=False)
    # A float holds microseconds exactly until 2255, once it is rounded to them.
    return (seconds * MICROSECONDS).round().cast(pl.Int64, strict=False).cast(TIMESTAMP)


def parse_time(text: pl.Expr) -> pl.Expr:
    """Read ISO 8601 (a naive time is UTC, any resolution, `T` or a space) or seconds since 1970.

    Returns:
        UTC in microseconds; null where the text is neither.
    """
    iso = text.str.strip_chars().str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")
    zoned = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    naive = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False).dt.replace_time_zone("UTC")
    return pl.coalesce(zoned, naive, from_epoch(text))
