"""The days that the assets are cut into: UTC, one partition a day, key `YYYY-MM-DD`."""

import datetime as dt

import dagster as dg

from cybersec_assets.errors import SettingsError, quoted

DAY_FORMAT = "%Y-%m-%d"


def daily_partitions(start: dt.date) -> dg.DailyPartitionsDefinition:
    """Give the days from a start on, until yesterday."""
    return dg.DailyPartitionsDefinition(start_date=start.strftime(DAY_FORMAT), timezone="UTC", fmt=DAY_FORMAT)


def day_of(partition_key: str) -> dt.date:
    """Give the day that a partition's key names."""
    return dt.datetime.strptime(partition_key, DAY_FORMAT).replace(tzinfo=dt.UTC).date()


def require_day(day: str, start: dt.date) -> None:
    """Refuse a day that is no partition.

    Raises:
        SettingsError: It lies before the start date or after yesterday, or is no date.
    """
    if read_day(day) < start:
        raise SettingsError(
            f"{day} is before CYBERSEC_START_DATE={start}", f"Set CYBERSEC_START_DATE={day}, or earlier"
        )
    if not daily_partitions(start).has_partition_key(day):
        raise SettingsError(f"{day} is not over yet (UTC)", "Give a day up to yesterday")


def read_day(text: str) -> dt.date:
    """Read a day as a person gives it.

    Raises:
        SettingsError: It is no date.
    """
    try:
        day = day_of(text)
    except ValueError:
        day = None
    if day is None or day.strftime(DAY_FORMAT) != text:
        raise SettingsError(f"{quoted(text)} is no date", "Give it as YYYY-MM-DD")
    return day
