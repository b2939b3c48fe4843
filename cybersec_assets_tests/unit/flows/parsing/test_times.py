"""How text becomes a point in time."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.parsing.times import from_epoch, from_float_epoch, parse_time, parse_zoned
from cybersec_assets_tests.support.flows.logs import examples

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BEGIN, END = dt.datetime(1970, 1, 1), dt.datetime(2106, 1, 1)  # noqa: DTZ001 - Hypothesis wants naive bounds
naive_times = st.datetimes(BEGIN, END)
FINE_FROM, FINE_UNTIL = 10**14, 2**53
"""Where epochs in milliseconds, microseconds and nanoseconds begin and end, in microseconds."""
fine_epochs = st.integers(FINE_FROM, FINE_UNTIL - 1000) | st.sampled_from([FINE_FROM, FINE_UNTIL - 1000])
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


@pytest.mark.parametrize("text", ["0000-01-01T00:00:00", "-0001-01-01T00:00:00Z", "1e300"])
def test_a_time_beyond_the_calendar_is_null(text):
    """A time that Python cannot hold is null rather than a crash later on."""
    assert (parsed(text), parsed(text, from_epoch)) == (None, None)


@examples
@given(fine_epochs)
def test_the_magnitude_of_an_epoch_decides_its_unit(microseconds):
    """The same instant is read from every unit, to the last digit that the unit has."""
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
    """Milliseconds with three decimals give the very microsecond until 2106, as text and as a float."""
    text = f"{microseconds // 1_000}.{microseconds % 1_000:03d}"
    expected = EPOCH + dt.timedelta(microseconds=microseconds)
    assert (parsed(text), parsed(text, from_float_epoch)) == (expected, expected)


@examples
@given(st.lists(st.integers(0, 10**19) | st.floats(0, 1e19) | fine_epochs, max_size=20))
def test_each_value_of_a_column_decides_by_itself(numbers):
    """A number is read the same whatever stands beside it."""
    column = pl.DataFrame({"text": [str(number) for number in numbers]}, schema={"text": pl.String})
    assert column.select(from_epoch(pl.col("text")))["text"].to_list() == [parsed(str(n), from_epoch) for n in numbers]


@examples
@given(st.integers(0, 10**19) | st.floats(0, 1e19) | fine_epochs)
def test_a_float_is_read_as_its_text_or_not_at_all(number):
    """The quick way to read an epoch never differs from the thorough one."""
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
def test_epochs_at_the_borders_of_their_units(text, expected):
    """A number between the ranges of two units, and a negative one, is no time."""
    assert (parsed(text), parsed(text, from_epoch)) == (expected, expected)


def test_nothing_gives_nothing():
    """A missing text gives a missing time."""
    assert parsed(None) is None


@examples
@given(st.from_regex(r"\A ?[12]\d{3}-[01]\d-[0-3]\d[T ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{0,9})? ?(Z|[+-]\d\d:?(\d\d)?)?\Z"))
def test_the_quick_way_never_differs(text):
    """What is read only with its zone is what is read in any way, or nothing."""
    assert parsed(text, parse_zoned) in {parsed(text), None}
