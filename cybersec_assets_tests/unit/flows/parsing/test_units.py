"""Durations and times with a unit, or with a start and an end, in CSV and in Parquet."""

import datetime as dt
import json
import tempfile
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cybersec_assets_tests.support.flows.logs import examples, faults, only, read, write

few = settings(examples, max_examples=4)
"""Few examples for each kind of file and unit, because each example has many values."""
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
FLOW = {"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "protocol": "tcp", "bytes": 30}
TIME = {"timestamp": {"value": "2024-04-19"}}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
KINDS = ["csv", "parquet"]


def write_flows(folder, kind, rows, dtypes=None):
    """Write flows with more columns as CSV or Parquet."""
    names = [*FLOW, *rows[0]]
    path = Path(folder) / f"flows.{kind}"
    if kind == "csv":
        lines = [",".join("" if value is None else str(value) for value in (FLOW | row).values()) for row in rows]
        return write(path, "\n".join([",".join(names), *lines, ""]))
    pl.DataFrame([FLOW | row for row in rows], infer_schema_length=None).cast(dtypes or {}).write_parquet(path)
    return path


def read_flows(kind, rows, mapping, dtypes=None):
    """Write flows and read them with a mapping."""
    with tempfile.TemporaryDirectory() as folder:
        return read(write_flows(folder, kind, rows, dtypes), columns=json.dumps(TIME | mapping))


def assert_exact(found, expected):
    """Require durations that are equal to exact quotients, up to the rounding of floats."""
    assert len(found) == len(expected)
    for have, want in zip(found, expected, strict=True):
        assert abs(Fraction(have) - want) <= abs(want) / 10**9


whole = st.integers(0, 2**63 - 1)
finite = st.floats(0, 1e18, allow_subnormal=False).filter(lambda number: number == 0 or number > 1e-290)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", PER_SECOND)
@few
@given(
    numbers=st.lists(whole, min_size=1, max_size=50)
    | st.lists(finite, min_size=1, max_size=50)
    | st.lists(whole.map(str), min_size=1, max_size=50)
)
def test_integers_floats_and_texts_of_each_unit_become_seconds(kind, unit, numbers):
    kept, rejected = read_flows(kind, [{"d": n} for n in numbers], {"duration": {"column": "d", "unit": unit}})
    assert rejected.is_empty()
    assert_exact(kept["duration"].to_list(), [Fraction(n) / PER_SECOND[unit] for n in numbers])


@few
@given(
    st.lists(st.integers(0, 10**15), min_size=1),
    st.sampled_from(["ms", "us", "ns"]),
    st.sampled_from([None, *PER_SECOND]),
)
def test_the_unit_of_a_parquet_type_overrides_the_mapping(numbers, own, mapped):
    rows = [{"d": dt.timedelta(0)} for _ in numbers]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flows.parquet"
        series = pl.Series("d", numbers, pl.Int64).cast(pl.Duration(own))
        pl.DataFrame([FLOW | row for row in rows]).with_columns(series).write_parquet(path)
        source = {"column": "d"} if mapped is None else {"column": "d", "unit": mapped}
        kept, rejected = read(path, columns=json.dumps(TIME | {"duration": source}))
    assert rejected.is_empty()
    assert_exact(kept["duration"].to_list(), [Fraction(number, PER_SECOND[own]) for number in numbers])


def as_texts(moments):
    """Return times, in microseconds since 1970, in each format of a file, with the mapping of the format."""
    at = [EPOCH + dt.timedelta(microseconds=moment) for moment in moments]
    return {
        "ISO": ([time.isoformat() for time in at], {}),
        "naive": ([time.replace(tzinfo=None).isoformat(" ") for time in at], {}),
        "offset": ([time.astimezone(dt.timezone(dt.timedelta(hours=5.5))).isoformat() for time in at], {}),
        "day first": ([f"{time:%d/%m/%Y %H:%M:%S.%f}" for time in at], {"day_first": True}),
        "day first, by halves": ([f"{time:%d/%m/%Y %I:%M:%S.%f %p}" for time in at], {"day_first": True}),
        "fractions": ([f"{moment // 10**6}.{moment % 10**6:06}" for moment in moments], {"unit": "s"}),
        "fractions without a unit": ([f"{moment // 10**6}.{moment % 10**6:06}" for moment in moments], {}),
        "us": (moments, {"unit": "us"}),
        "ns": ([moment * 1_000 for moment in moments], {"unit": "ns"}),
    }


moment = st.integers(10**15, 2 * 10**15)
"""From 2001 to 2033."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", as_texts([]))
@few
@given(pairs=st.lists(st.tuples(moment, st.integers(0, 10**13)), min_size=1, max_size=20))
def test_a_start_and_an_end_make_a_duration(kind, form, pairs):
    """The difference is exact in each format of time."""
    starts, how = as_texts([start for start, _ in pairs])[form]
    ends, _ = as_texts([start + length for start, length in pairs])[form]
    rows = [{"first": first, "last": last} for first, last in zip(starts, ends, strict=True)]
    first = {"column": "first", **how}
    mapping = {"timestamp": first, "duration": {"start": first, "end": {"column": "last", **how}}}
    kept, rejected = read_flows(kind, rows, mapping)
    assert rejected.is_empty()
    assert_exact(kept["duration"].to_list(), [Fraction(length, 10**6) for _, length in pairs])
    assert kept["timestamp"].to_list() == [EPOCH + dt.timedelta(microseconds=start) for start, _ in pairs]


@few
@given(
    st.lists(st.tuples(st.integers(10**9, 2 * 10**9), st.integers(0, 10**6)), min_size=1, max_size=20),
    st.sampled_from(list(PER_SECOND)),
    st.data(),
)
def test_numbers_of_a_unit_make_an_exact_duration(seconds, unit, data):
    """Whole units are subtracted exactly, also below a microsecond."""
    per = PER_SECOND[unit]
    pairs = []
    for start, length in seconds:
        first = start * per + data.draw(st.integers(0, per - 1))
        pairs.append((first, first + length * per + data.draw(st.integers(0, per - 1))))
    source = {"start": {"column": "first", "unit": unit}, "end": {"column": "last", "unit": unit}}
    kept, rejected = read_flows("csv", [{"first": a, "last": b} for a, b in pairs], {"duration": source})
    assert rejected.is_empty()
    assert_exact(kept["duration"].to_list(), [Fraction(b - a, per) for a, b in pairs])


@pytest.mark.parametrize("own", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@few
@given(pairs=st.lists(st.tuples(st.integers(10**9, 2 * 10**9), st.integers(0, 10**12)), min_size=1, max_size=20))
@example(pairs=[(1_577_836_800, 1)])
def test_typed_times_make_an_exact_duration(own, zone, pairs):
    per = PER_SECOND[own]
    first = pl.Series("first", [start * per for start, _ in pairs], pl.Int64)
    last = pl.Series("last", [start * per + length for start, length in pairs], pl.Int64)
    frame = pl.DataFrame([FLOW for _ in pairs]).with_columns(first, last)
    typed = frame.with_columns(pl.col("first", "last").cast(pl.Datetime(own, zone)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flows.parquet"
        typed.write_parquet(path)
        columns = {"timestamp": "first", "duration": {"start": "first", "end": "last"}}
        kept, rejected = read(path, columns=json.dumps(columns))
    assert rejected.is_empty()
    assert_exact(kept["duration"].to_list(), [Fraction(length, per) for _, length in pairs])
    assert kept["timestamp"].to_list() == [EPOCH + dt.timedelta(seconds=start) for start, _ in pairs]


@pytest.mark.parametrize("unit", PER_SECOND)
@pytest.mark.parametrize("kind", KINDS)
def test_an_invalid_duration_rejects_its_row(kind, unit):
    wrong = ["-1", "nan", "inf", "-inf", "1s", "1e400", "0x10"]
    if kind != "csv":
        # In CSV, blanks around a value are ignored, and a blank value is unset.
        wrong.append(" ")
    rows = [{"d": value} for value in [*wrong, "5"]]
    kept, rejected = read_flows(kind, rows, {"duration": {"column": "d", "unit": unit}})
    first = 2 if kind == "csv" else 1
    assert faults(rejected) == [(line, "duration", value) for line, value in enumerate(wrong, first)]
    assert kept.height == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_unset_duration_stays_unset(kind):
    kept, rejected = read_flows(kind, [{"d": None}, {"d": "5"}], {"duration": {"column": "d", "unit": "ms"}})
    assert (kept["duration"].to_list(), rejected.height) == ([None, 0.005], 0)


def test_an_invalid_start_or_end_rejects_its_row():
    """The rejected value shows both."""
    now = "1713484800"
    wrong = [("5", "3"), (now, "x"), ("", now), ("x", now), (now, "9" * 40), ("1", "nan")]
    rows = [{"first": first, "last": last} for first, last in [*wrong, (now, f"{now}.5")]]
    kept, rejected = read_flows("csv", rows, {"duration": {"start": "first", "end": "last"}})
    expected = [(line, "duration", f"{first} to {last}") for line, (first, last) in enumerate(wrong, 2)]
    assert (kept["duration"].to_list(), faults(rejected)) == ([0.5], expected)


@pytest.mark.parametrize("first", ["", "1713484800"])
def test_a_flow_without_an_end_has_no_duration(first):
    kept, rejected = read_flows("csv", [{"first": first, "last": ""}], {"duration": {"start": "first", "end": "last"}})
    assert (kept["duration"].to_list(), rejected.height) == ([None], 0)


def test_positions_may_have_units():
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "flows", "10.0.0.1,10.0.0.2,udp,7,8,1713484800000,1713484800250\n" * 2)
        columns = {
            "timestamp": {"position": 6, "unit": "ms"},
            "src_ip": {"position": 1},
            "dst_ip": {"position": 2},
            "protocol": {"position": 3},
            "bytes": {"sum": [{"position": 4}, {"position": 5}]},
            "duration": {"start": {"position": 6, "unit": "ms"}, "end": {"position": 7, "unit": "ms"}},
        }
        kept, rejected = read(path, columns=json.dumps(columns))
    assert (kept["duration"].to_list(), kept["bytes"].to_list(), rejected.height) == ([0.25] * 2, [15] * 2, 0)
    assert kept["timestamp"].to_list() == [dt.datetime(2024, 4, 19, tzinfo=dt.UTC)] * 2


def test_a_sum_adds_durations_of_different_units():
    source = {"sum": [{"column": "a", "unit": "s"}, {"column": "b", "unit": "ms"}, {"column": "c", "unit": "us"}]}
    kept, _ = read_flows("csv", [{"a": 1, "b": 2, "c": 3}], {"duration": source})
    assert only(kept)["duration"] == 1.002003


DAY_FIRST = {
    "03/07/2017 08:55:58": "2017-07-03T08:55:58",
    "5/7/2017 8:42": "2017-07-05T08:42:00",
    "03/07/2017 08:55:58 AM": "2017-07-03T08:55:58",
    "03/07/2017 08:55:58 PM": "2017-07-03T20:55:58",
    "03/07/2017 12:00:00 AM": "2017-07-03T00:00:00",
    "03/07/2017 12:30:00 pm": "2017-07-03T12:30:00",
    "31/12/2018 23:59:59.999999": "2018-12-31T23:59:59.999999",
    "2018-12-01 10:51:39.813448": "2018-12-01T10:51:39.813448",
}


@pytest.mark.parametrize("kind", KINDS)
def test_dates_are_read_with_the_day_first(kind):
    rows = [{"t": text, "duration": 1.5} for text in DAY_FIRST]
    kept, _ = read_flows(kind, rows, {"timestamp": {"column": "t", "day_first": True}})
    expected = [dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) for text in DAY_FIRST.values()]
    assert kept["timestamp"].to_list() == expected


def test_an_invalid_date_with_the_day_first_rejects_its_row():
    wrong = [
        "12/13/2017 08:00",
        "31/02/2017 08:00",
        "03/07/17 08:00",
        "03/07/2017 13:00 PM",
        "03/07/2017 00:10 AM",
        "03/07/2017 25:00",
        "03/07/2017",
    ]
    rows = [{"t": text, "duration": 1} for text in wrong]
    _, rejected = read_flows("csv", rows, {"timestamp": {"column": "t", "day_first": True}})
    assert faults(rejected) == [(line, "timestamp", text) for line, text in enumerate(wrong, 2)]


def test_an_ambiguous_date_rejects_its_row():
    """Without `day_first`, 5/7 may be May or July."""
    _, rejected = read_flows("csv", [{"t": "5/7/2017 8:42", "duration": 1}], {"timestamp": "t"})
    assert faults(rejected) == [(2, "timestamp", "5/7/2017 8:42")]
