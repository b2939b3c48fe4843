"""The daily partitions of the assets: one for each day in the time zone of the sensor, key `YYYY-MM-DD`."""

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg

from cybersec_assets.errors import SettingsError, quoted
from cybersec_assets.flows.day import UTC

DAY_FORMAT = "%Y-%m-%d"


def daily_partitions(start: dt.date, zone: ZoneInfo = UTC) -> dg.DailyPartitionsDefinition:
    """Return the days from a start date until yesterday, in a time zone."""
    return dg.DailyPartitionsDefinition(start_date=start.strftime(DAY_FORMAT), timezone=zone.key, fmt=DAY_FORMAT)


def yesterday(zone: ZoneInfo, now: dt.datetime) -> str:
    """Return the key of the last day that is over in a time zone at an instant."""
    return (now.astimezone(zone).date() - dt.timedelta(days=1)).strftime(DAY_FORMAT)


def day_of(partition_key: str) -> dt.date:
    """Return the day of a partition's key."""
    return dt.datetime.strptime(partition_key, DAY_FORMAT).replace(tzinfo=dt.UTC).date()


def require_day(day: str, start: dt.date, zone: ZoneInfo = UTC) -> None:
    """Raise an error unless a day is a partition.

    Raises:
        SettingsError: The day is before the start date, is not over in the time zone, or is not a date.
    """
    if read_day(day) < start:
        raise SettingsError(
            f"{day} is before CYBERSEC_START_DATE={start}", f"Set CYBERSEC_START_DATE={day}, or earlier"
        )
    if not daily_partitions(start, zone).has_partition_key(day):
        raise SettingsError(f"{day} is not over yet ({zone.key})", "Use a day up to yesterday")


def read_day(text: str) -> dt.date:
    """Parse a day that a user wrote.

    Raises:
        SettingsError: The text is not a date.
    """
    try:
        day = day_of(text)
    except ValueError:
        day = None
    if day is None or day.strftime(DAY_FORMAT) != text:
        raise SettingsError(f"{quoted(text)} is not a date", "Use YYYY-MM-DD")
    return day
