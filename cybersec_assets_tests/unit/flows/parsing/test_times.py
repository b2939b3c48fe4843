"""Parsing times."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.parsing.times import from_epoch, from_float_epoch, parse_time, parse_zoned
from cybersec_assets_tests.support.flows.logs import examples

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BEGIN = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - Hypothesis requires naive bounds
END = dt.datetime(2106, 1, 1)  # noqa: DTZ001 - as above
naive_times = st.datetimes(BEGIN, END)
FINE_FROM = 10**14
"""The first epoch in milliseconds, microseconds or nanoseconds, in microseconds."""
FINE_UNTIL = 2**53
"""The end of these epochs, in microseconds."""
fine_epochs = st.integers(FINE_FROM, FINE_UNTIL - 1000) | st.sampled_from([FINE_FROM, FINE_UNTIL - 1000])
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))


def parsed(text, parse=parse_time):
    """Parse one text."""
    return pl.DataFrame({"text": [text]}, schema={"text": pl.String}).select(parse(pl.col("text"))).item()


@examples
@given(st.integers(0, 2**32 * 10**6))
def test_epoch_seconds_are_exact_to_the_microsecond(microseconds):
    text = f"{microseconds // 10**6}.{microseconds % 10**6:06d}"
    expected = EPOCH + dt.timedelta(microseconds=microseconds)
    assert (parsed(text), parsed(text, from_epoch)) == (expected, expected)


@examples
@given(naive_times, st.sampled_from("T "))
def test_a_naive_time_is_utc(time, between):
    assert parsed(time.isoformat(between)) == time.replace(tzinfo=dt.UTC)


@examples
@given(naive_times, zones, st.sampled_from("T "))
def test_a_time_with_a_zone_becomes_utc(time, zone, between):
    zoned = time.replace(tzinfo=zone)
    assert parsed(zoned.isoformat(between)) == zoned.astimezone(dt.UTC)


@examples
@given(naive_times, st.integers(0, 9))
def test_any_resolution_is_truncated_to_microseconds(time, digits):
    fraction = f"{time.microsecond:06d}789"[:digits]
    text = f"{time:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if digits else "") + "Z"
    kept = int(fraction[:6].ljust(6, "0"))
    assert parsed(text) == time.replace(microsecond=kept, tzinfo=dt.UTC)


@pytest.mark.parametrize("suffix", ["Z", "+00:00", "+0000", "+00"])
def test_every_form_of_utc_is_read(suffix):
    assert parsed(f"2024-04-19T10:00:00{suffix}") == dt.datetime(2024, 4, 19, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "text", ["", "-", "yesterday", "2024-04-19", "2024-02-30T00:00:00Z", "2024-04-19T25:00:00Z", "nan", "inf", "1e300"]
)
def test_text_that_is_not_a_time_is_null(text):
    assert parsed(text) is None


@pytest.mark.parametrize("text", ["0000-01-01T00:00:00", "-0001-01-01T00:00:00Z", "1e300"])
def test_a_time_that_datetime_cannot_represent_is_null(text):
    assert (parsed(text), parsed(text, from_epoch)) == (None, None)


@examples
@given(fine_epochs)
def test_the_magnitude_of_an_epoch_determines_its_unit(microseconds):
    second = microseconds // 10**6 * 10**6
    millisecond = microseconds // 10**3 * 10**3
    nanoseconds = microseconds * 1_000 + 999
    assert parsed(str(second // 10**6)) == EPOCH + dt.timedelta(microseconds=second)
    assert parsed(str(millisecond // 10**3)) == EPOCH + dt.timedelta(microseconds=millisecond)
    assert parsed(str(microseconds)) == EPOCH + dt.timedelta(microseconds=microseconds)
    assert parsed(str(nanoseconds)) == EPOCH + dt.timedelta(microseconds=microseconds)


@examples
@given(st.integers(FINE_FROM, 2**32 * 10**6))
def test_milliseconds_may_have_a_fraction(microseconds):
    text = f"{microseconds // 1_000}.{microseconds % 1_000:03d}"
    expected = EPOCH + dt.timedelta(microseconds=microseconds)
    assert (parsed(text), parsed(text, from_float_epoch)) == (expected, expected)


@examples
@given(st.lists(st.integers(0, 10**19) | st.floats(0, 1e19) | fine_epochs, max_size=20))
def test_the_unit_of_each_value_does_not_depend_on_others(numbers):
    column = pl.DataFrame({"text": [str(number) for number in numbers]}, schema={"text": pl.String})
    assert column.select(from_epoch(pl.col("text")))["text"].to_list() == [parsed(str(n), from_epoch) for n in numbers]


@examples
@given(st.integers(0, 10**19) | st.floats(0, 1e19) | fine_epochs)
def test_a_float_is_read_like_its_text_or_is_null(number):
    frame = pl.DataFrame({"text": [float(number)]})
    assert frame.select(from_float_epoch(pl.col("text"))).item() in {parsed(str(number), from_epoch), None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", EPOCH),
        ("99999999999", dt.datetime(5138, 11, 16, 9, 46, 39, tzinfo=dt.UTC)),
        ("99999999999.0", dt.datetime(5138, 11, 16, 9, 46, 39, tzinfo=dt.UTC)),
        ("100000000000", dt.datetime(1973, 3, 3, 9, 46, 40, tzinfo=dt.UTC)),
        ("9007199254739", dt.datetime(2255, 6, 5, 23, 47, 34, 739_000, tzinfo=dt.UTC)),
        ("9007199254740", None),
        ("99999999999999", None),
        ("100000000000000", dt.datetime(1973, 3, 3, 9, 46, 40, tzinfo=dt.UTC)),
        ("9007199254740991", dt.datetime(2255, 6, 5, 23, 47, 34, 740_991, tzinfo=dt.UTC)),
        ("9007199254740992", None),
        ("99999999999999999", None),
        ("100000000000000000", dt.datetime(1973, 3, 3, 9, 46, 40, tzinfo=dt.UTC)),
        ("9007199254740991999", dt.datetime(2255, 6, 5, 23, 47, 34, 740_991, tzinfo=dt.UTC)),
        ("9007199254740992000", None),
        ("1577836800250123456.0", dt.datetime(2020, 1, 1, 0, 0, 0, 250_123, tzinfo=dt.UTC)),
        ("1.577836800250123e18", dt.datetime(2020, 1, 1, 0, 0, 0, 250_123, tzinfo=dt.UTC)),
        ("20200101120000", None),
        ("18446744073709551615", None),
        ("-1", None),
        ("-0.5", None),
        ("-1577836800250", None),
    ],
)
def test_epochs_at_the_limits_of_their_units(text, expected):
    assert (parsed(text), parsed(text, from_epoch)) == (expected, expected)


def test_null_stays_null():
    assert parsed(None) is None


@examples
@given(st.from_regex(r"\A ?[12]\d{3}-[01]\d-[0-3]\d[T ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{0,9})? ?(Z|[+-]\d\d:?(\d\d)?)?\Z"))
def test_parse_zoned_agrees_with_parse_time_or_is_null(text):
    assert parsed(text, parse_zoned) in {parsed(text), None}
