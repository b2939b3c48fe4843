"""How text becomes a point in time."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.parsing.times import from_epoch, parse_time, parse_zoned
from cybersec_assets_tests.flows.logs import examples

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BEGIN, END = dt.datetime(1970, 1, 1), dt.datetime(2106, 1, 1)  # noqa: DTZ001 - Hypothesis wants naive bounds
naive_times = st.datetimes(BEGIN, END)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))


def parsed(text, parse=parse_time):
    """Parse one text."""
    return pl.DataFrame({"text": [text]}, schema={"text": pl.String}).select(parse(pl.col("text"))).item()


@examples
@given(st.integers(0, 2**32 * 10**6))
def test_epoch_seconds_are_exact_to_the_microsecond(microseconds):
    """Seconds since 1970 with six decimals give the very microsecond, until 2106."""
    text = f"{microseconds // 10**6}.{microseconds % 10**6:06d}"
    expected = EPOCH + dt.timedelta(microseconds=microseconds)
    assert (parsed(text), parsed(text, from_epoch)) == (expected, expected)


@examples
@given(naive_times, st.sampled_from("T "))
def test_a_naive_time_is_utc(time, between):
    """A time without a zone is taken for UTC, with `T` or a space, with or without a fraction."""
    assert parsed(time.isoformat(between)) == time.replace(tzinfo=dt.UTC)


@examples
@given(naive_times, zones, st.sampled_from("T "))
def test_a_time_with_a_zone_becomes_utc(time, zone, between):
    """An offset is taken into account, whichever it is."""
    zoned = time.replace(tzinfo=zone)
    assert parsed(zoned.isoformat(between)) == zoned.astimezone(dt.UTC)


@examples
@given(naive_times, st.integers(0, 9))
def test_any_resolution_is_read(time, digits):
    """A fraction of none to nine digits is read, and cut to microseconds."""
    fraction = f"{time.microsecond:06d}789"[:digits]
    text = f"{time:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if digits else "") + "Z"
    kept = int(fraction[:6].ljust(6, "0"))
    assert parsed(text) == time.replace(microsecond=kept, tzinfo=dt.UTC)


@pytest.mark.parametrize("suffix", ["Z", "+00:00", "+0000", "+00"])
def test_every_way_to_write_utc_is_read(suffix):
    """Zulu and every form of a zero offset mean UTC."""
    assert parsed(f"2024-04-19T10:00:00{suffix}") == dt.datetime(2024, 4, 19, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "text", ["", "-", "yesterday", "2024-04-19", "2024-02-30T00:00:00Z", "2024-04-19T25:00:00Z", "nan", "inf", "1e300"]
)
def test_what_is_no_time_is_null(text):
    """A text that is no time gives null, and neither an error nor another time."""
    assert parsed(text) is None


@pytest.mark.parametrize("text", ["1713484795943", "9e12", "-1e11", "0000-01-01T00:00:00", "-0001-01-01T00:00:00Z"])
def test_a_time_beyond_the_calendar_is_null(text):
    """A time that Python cannot hold, as an epoch in milliseconds gives, is null rather than a crash later on."""
    assert (parsed(text), parsed(text, from_epoch)) == (None, None)


def test_nothing_gives_nothing():
    """A missing text gives a missing time."""
    assert parsed(None) is None


@examples
@given(st.from_regex(r"\A ?[12]\d{3}-[01]\d-[0-3]\d[T ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{0,9})? ?(Z|[+-]\d\d:?(\d\d)?)?\Z"))
def test_the_quick_way_never_differs(text):
    """What is read only with its zone is what is read in any way, or nothing."""
    assert parsed(text, parse_zoned) in {parsed(text), None}
