"""The day of a partition, and the detection of flows that are the local day of another time zone."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from cybersec_assets.flows.schema import TIMESTAMP

UTC = ZoneInfo("UTC")
QUARTER_HOURS = range(-56, 49)
"""The starts of local days from UTC+14 to UTC-12, in quarters of an hour after midnight UTC."""
QUARTERS_PER_HOUR = 4
QUARTERS_PER_DAY = 96
QUARTER_MICROSECONDS = 15 * 60 * 1_000_000
MUCH_BETTER = 0.5
"""An offset that is not a whole hour is used if it excludes at most this share of the flows that a whole hour does."""
MAX_OUTSIDE_SHARE = 0.05
"""The share of flows that a local day may exclude. A connection from before midnight is logged when it ends."""
MIN_SPAN = 64
"""The shortest span of the flows in quarters of an hour. Flows of a few hours fit the days of many time zones."""


@dataclass(frozen=True)
class Day:
    """A calendar day in the time zone of a sensor.

    Attributes:
        date: The date.
        zone: The time zone.
    """

    date: dt.date
    zone: ZoneInfo = UTC

    @property
    def begin(self) -> dt.datetime:
        """Return the first instant of the day, in UTC."""
        return _midnight(self.date, self.zone)

    @property
    def end(self) -> dt.datetime:
        """Return the first instant after the day, in UTC. A day with a clock change has 23 or 25 hours."""
        return _midnight(self.date + dt.timedelta(days=1), self.zone)

    def holds(self, time: pl.Expr) -> pl.Expr:
        """Return whether each time belongs to the day."""
        return time.is_between(pl.lit(self.begin, TIMESTAMP), pl.lit(self.end, TIMESTAMP), closed="left")


def local_offset(flows: Path, date: dt.date) -> dt.timedelta | None:
    """Return the UTC offset at which nearly all flows belong to a date, or None if there is no such offset.

    Args:
        flows: A Parquet file with a column `timestamp`.
        date: The date.
    """
    since_midnight = pl.col("timestamp") - pl.lit(_midnight(date, UTC), TIMESTAMP)
    quarter = since_midnight.dt.total_microseconds().floordiv(QUARTER_MICROSECONDS).alias("quarter")
    table = pl.scan_parquet(flows).group_by(quarter).len().collect(engine="streaming")
    counts: dict[int, int] = dict(table.iter_rows())
    total = sum(counts.values())

    def outside(begin: int) -> int:
        return total - sum(counts.get(quarter, 0) for quarter in range(begin, begin + QUARTERS_PER_DAY))

    def best(begins: list[int]) -> int:
        # Of equally good offsets, the one nearest to UTC changes least.
        return min(begins, key=lambda begin: (outside(begin), abs(begin)))

    hour = best([begin for begin in QUARTER_HOURS if begin % QUARTERS_PER_HOUR == 0])
    quarter_hour = best(list(QUARTER_HOURS))
    is_better = outside(quarter_hour) < outside(hour) and outside(quarter_hour) <= MUCH_BETTER * outside(hour)
    begin = quarter_hour if is_better else hour
    inside = [quarter for quarter in counts if begin <= quarter < begin + QUARTERS_PER_DAY]
    if outside(begin) > MAX_OUTSIDE_SHARE * total or not inside or max(inside) - min(inside) < MIN_SPAN:
        return None
    return -dt.timedelta(hours=begin / QUARTERS_PER_HOUR)


def offset_name(offset: dt.timedelta) -> str:
    """Return the usual name of a UTC offset, such as `UTC-05:00`."""
    minutes = round(abs(offset) / dt.timedelta(minutes=1))
    return f"UTC{'-' if offset < dt.timedelta(0) else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _midnight(date: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime(date.year, date.month, date.day, tzinfo=zone).astimezone(dt.UTC)
