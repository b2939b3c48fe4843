"""The day of a partition in the time zone of the sensor."""

import datetime as dt
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cybersec_assets.defs.partitions import yesterday
from cybersec_assets.flows.day import Day, local_offset, offset_name
from cybersec_assets.flows.schema import TIMESTAMP

NEW_YORK = ZoneInfo("America/New_York")
DATES = st.dates(dt.date(2010, 1, 1), dt.date(2030, 12, 31))
INSTANTS = st.integers(1_262_304_000, 1_893_456_000).map(lambda second: dt.datetime.fromtimestamp(second, dt.UTC))
ZONES = st.sampled_from(
    ["America/New_York", "Europe/Madrid", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Pacific/Apia", "UTC"]
).map(ZoneInfo)


def write(folder: str, times: list[dt.datetime]) -> Path:
    file = Path(folder) / "raw.parquet"
    pl.DataFrame({"timestamp": pl.Series(times, dtype=TIMESTAMP)}).write_parquet(file)
    return file


@pytest.mark.parametrize(
    ("date", "begin", "hours"),
    [
        (dt.date(2020, 1, 15), dt.datetime(2020, 1, 15, 5, tzinfo=dt.UTC), 24),
        (dt.date(2020, 7, 15), dt.datetime(2020, 7, 15, 4, tzinfo=dt.UTC), 24),
        (dt.date(2020, 3, 8), dt.datetime(2020, 3, 8, 5, tzinfo=dt.UTC), 23),
        (dt.date(2020, 11, 1), dt.datetime(2020, 11, 1, 4, tzinfo=dt.UTC), 25),
    ],
)
def test_a_local_day_begins_and_ends_at_local_midnight(date: dt.date, begin: dt.datetime, hours: int) -> None:
    day = Day(date, NEW_YORK)
    assert day.begin == begin
    assert day.end - day.begin == dt.timedelta(hours=hours)


@settings(deadline=None, max_examples=50)
@given(DATES, ZONES)
def test_days_follow_each_other_without_a_gap(date: dt.date, zone: ZoneInfo) -> None:
    assert Day(date, zone).end == Day(date + dt.timedelta(days=1), zone).begin


@settings(deadline=None, max_examples=50)
@given(DATES, ZONES, st.integers(60, 400))
def test_the_offset_of_a_local_day_is_found(date: dt.date, zone: ZoneInfo, flows: int) -> None:
    day = Day(date, zone)
    assume(day.end - day.begin == dt.timedelta(days=1))
    times = [day.begin + (day.end - day.begin) * number / flows for number in range(flows)]
    with tempfile.TemporaryDirectory() as folder:
        offset = local_offset(write(folder, times), date)
    # With a flow every 24 minutes or more often, the nearest whole hour or a quarter of an hour beside it fits best.
    assert offset is not None
    assert abs(offset - (day.begin.astimezone(zone).utcoffset() or dt.timedelta())) <= dt.timedelta(minutes=30)


@pytest.mark.parametrize("hours", [-14, -9.5, -5.5, -5, 0, 3.5, 5, 12])
def test_a_dense_day_shows_its_offset_exactly(tmp_path: Path, hours: float) -> None:
    date = dt.date(2024, 4, 20)
    begin = Day(date).begin + dt.timedelta(hours=hours)
    times = [begin + dt.timedelta(minutes=3 * number) for number in range(480)]
    assert local_offset(write(str(tmp_path), times), date) == dt.timedelta(hours=-hours)


@pytest.mark.parametrize(
    "hours",
    [range(-24, 0), range(24, 48), range(9, 17), [-30, -20, 0, 1, 2, 30, 40], []],
    ids=["day before", "day after", "office hours", "scattered", "none"],
)
def test_flows_that_show_no_local_day_have_no_offset(tmp_path: Path, hours: list[int]) -> None:
    date = dt.date(2024, 4, 20)
    times = [Day(date).begin + dt.timedelta(hours=hour) for hour in hours]
    assert local_offset(write(str(tmp_path), times), date) is None


@pytest.mark.parametrize(
    ("hours", "name"), [(-5, "UTC-05:00"), (5.5, "UTC+05:30"), (0, "UTC+00:00"), (-9.5, "UTC-09:30"), (14, "UTC+14:00")]
)
def test_an_offset_has_its_usual_name(hours: float, name: str) -> None:
    assert offset_name(dt.timedelta(hours=hours)) == name


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", "2026-11-26"), ("America/New_York", "2026-11-25"), ("Asia/Tokyo", "2026-11-26")]
)
def test_at_two_in_the_morning_utc_the_last_local_day_is_run(zone: str, day: str) -> None:
    assert yesterday(ZoneInfo(zone), dt.datetime(2026, 11, 27, 2, tzinfo=dt.UTC)) == day


@settings(deadline=None, max_examples=50)
@given(ZONES, INSTANTS)
def test_yesterday_is_the_last_day_that_is_over(zone: ZoneInfo, now: dt.datetime) -> None:
    last = Day(dt.date.fromisoformat(yesterday(zone, now)), zone)
    assert last.end <= now
    assert Day(last.date + dt.timedelta(days=1), zone).end > now
