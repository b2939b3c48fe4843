"""The days that the assets are cut into: UTC, one partition a day, key `YYYY-MM-DD`."""

import datetime as dt

import dagster as dg

DAY_FORMAT = "%Y-%m-%d"


def daily_partitions(start: dt.date) -> dg.DailyPartitionsDefinition:
    """Give the days from a start on, until yesterday."""
    return dg.DailyPartitionsDefinition(start_date=start.strftime(DAY_FORMAT), timezone="UTC", fmt=DAY_FORMAT)


def day_of(partition_key: str) -> dt.date:
    """Give the day that a partition's key names."""
    return dt.datetime.strptime(partition_key, DAY_FORMAT).replace(tzinfo=dt.UTC).date()
