"""The day of a partition: which instants belong to it, and whether flows look like the day of another time zone."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from cybersec_assets.flows.schema import TIMESTAMP

UTC = ZoneInfo("UTC")
QUARTER_HOURS = range(-56, 49)
"""Starts of local days relative to midnight UTC, in quarters of an hour: from UTC+14 to UTC-12."""
QUARTERS_AN_HOUR = 4
QUARTERS_A_DAY = 96
QUARTER_MICROSECONDS = 15 * 60 * 1_000_000
BETTER = 0.5
"""An offset that is not a whole hour is chosen if it leaves out at most this share of what a whole hour does."""
MOST_OUTSIDE = 0.05
"""The share of flows that a local day may leave out. A connection that began before midnight is logged when it ends."""
LEAST_SPAN = 64
"""How many quarters of an hour the flows must span. Flows of a few hours fit the days of many time zones."""


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
    """Return the UTC offset under which nearly all flows belong to a date, or None where they show no local day.

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
        return total - sum(counts.get(quarter, 0) for quarter in range(begin, begin + QUARTERS_A_DAY))

    def best(begins: list[int]) -> int:
        # Of equals the nearest to UTC: it changes least.
        return min(begins, key=lambda begin: (outside(begin), abs(begin)))

    hour = best([begin for begin in QUARTER_HOURS if begin % QUARTERS_AN_HOUR == 0])
    quarter_hour = best(list(QUARTER_HOURS))
    is_better = outside(quarter_hour) < outside(hour) and outside(quarter_hour) <= BETTER * outside(hour)
    begin = quarter_hour if is_better else hour
    inside = [quarter for quarter in counts if begin <= quarter < begin + QUARTERS_A_DAY]
    if outside(begin) > MOST_OUTSIDE * total or not inside or max(inside) - min(inside) < LEAST_SPAN:
        return None
    return -dt.timedelta(hours=begin / QUARTERS_AN_HOUR)


def offset_name(offset: dt.timedelta) -> str:
    """Return a UTC offset as people write it, such as `UTC-05:00`."""
    minutes = round(abs(offset) / dt.timedelta(minutes=1))
    return f"UTC{'-' if offset < dt.timedelta(0) else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _midnight(date: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime(date.year, date.month, date.day, tzinfo=zone).astimezone(dt.UTC)
