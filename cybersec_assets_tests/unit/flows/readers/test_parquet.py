"""Parquet with the raw schema's column names, or with a mapping."""

import datetime as dt
import tempfile
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.schema import RAW_SCHEMA, REQUIRED
from cybersec_assets_tests.support.flows.logs import examples, faults, find, only, read

NOON = dt.datetime(2024, 4, 19, 12, tzinfo=dt.UTC)
FLOW = {
    "timestamp": NOON,
    "src_ip": "10.0.0.1",
    "dst_ip": "10.0.0.2",
    "bytes": 30,
    "duration": 1.5,
    "protocol": "TCP",
}


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "flows.parquet"


def write_flow(log, dtypes=None, **values):
    """Write one flow, with some values and some types changed."""
    pl.DataFrame({name: [value] for name, value in (FLOW | values).items()}).cast(dtypes or {}).write_parquet(log)
    return log


def test_a_row_becomes_a_record(log):
    kept, rejected = read(write_flow(log, note="x", src_port=80, dtypes={"src_port": pl.UInt16}))
    assert rejected.is_empty()
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | FLOW | {"protocol": "tcp", "src_port": 80}


flows = st.fixed_dictionaries(
    {
        "timestamp": st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)),  # noqa: DTZ001 - naive is UTC
        "src_ip": st.ip_addresses().map(str),
        "dst_ip": st.ip_addresses().map(str),
        "bytes": st.none() | st.integers(0, 2**63 - 1),
        "duration": st.none() | st.floats(0, 1e9),
        "protocol": st.sampled_from(["tcp", "udp"]),
        "uid": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
        "label": st.none() | st.booleans(),
    }
)
unit_names = st.sampled_from(["ms", "us", "ns"])


@examples
@given(st.lists(flows, max_size=6), st.permutations([*FLOW, "uid", "label"]), unit_names, st.booleans())
def test_what_is_written_is_read_back(flows, names, unit, zoned):
    schema = {name: RAW_SCHEMA[name] for name in names} | {"timestamp": pl.Datetime("us")}
    table = pl.DataFrame(flows, schema=schema).with_columns(pl.col("timestamp").cast(pl.Datetime(unit)))
    utc = table.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC"))
    elsewhere = utc.with_columns(pl.col("timestamp").dt.convert_time_zone("Asia/Tokyo"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flows.parquet"
        (elsewhere if zoned else table).write_parquet(path)
        kept, rejected = read(path)
    assert rejected.is_empty()
    assert kept.select(names).equals(utc.with_columns(pl.col("timestamp").dt.cast_time_unit("us")))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_713_528_000, NOON),
        (1_713_528_000.5, NOON + dt.timedelta(seconds=0.5)),
        ("2024-04-19 14:00:00+02:00", NOON),
        ("1713528000.000001", NOON + dt.timedelta(microseconds=1)),
    ],
)
def test_a_time_may_be_a_number_or_a_text(log, value, expected):
    assert only(read(write_flow(log, timestamp=value))[0])["timestamp"] == expected


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("timestamp", dt.date(2024, 4, 19), "2024-04-19"),
        ("timestamp", 20_240_419_000_000, "20240419000000"),
        ("timestamp", None, ""),
        ("src_ip", "", ""),
        ("dst_ip", None, ""),
        ("protocol", None, ""),
        ("bytes", 1.5, "1.5"),
        ("bytes", float("nan"), "NaN"),
        ("bytes", 2.0**63, "9.223372036854776e+18"),
        ("bytes", True, "true"),
        ("bytes", dt.date(2024, 1, 1), "2024-01-01"),
        ("bytes", "many", "many"),
        ("duration", float("nan"), "NaN"),
        ("duration", float("inf"), "inf"),
        ("src_port", 2**40, str(2**40)),
    ],
)
def test_a_value_that_does_not_fit_is_an_error(log, column, value, said):
    kept, rejected = read(write_flow(log, **{column: value}))
    assert (kept.height, faults(rejected)) == (0, [(1, column, said)])


def test_a_count_beyond_the_schema_is_an_error(log):
    _, rejected = read(write_flow(log, bytes=2**63, dtypes={"bytes": pl.UInt64}))
    assert faults(rejected) == [(1, "bytes", str(2**63))]


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_time_beyond_the_calendar_is_an_error(log, unit, zone):
    """A timestamp that Python cannot represent rejects its row, and does not crash later steps."""
    times = pl.Series("timestamp", [9 * 10**17]).cast(pl.Datetime(unit, zone))
    pl.DataFrame(FLOW).with_columns(times).write_parquet(log)
    assert faults(read(log)[1]) == [(1, "timestamp", str(9 * 10**17))]


@pytest.mark.parametrize("value", [30.0, "30", Decimal("30.0")])
def test_a_whole_number_of_another_type_is_read(log, value):
    assert only(read(write_flow(log, bytes=value))[0])["bytes"] == 30


@pytest.mark.parametrize(
    ("label", "expected"),
    [(0, False), (1, True), (0.0, False), (float("nan"), None), ("Benign", False), ("Background", None), (True, True)],
)
@pytest.mark.parametrize("column", ["label", "alerted"])
def test_a_label_may_be_a_number_or_a_text(log, column, label, expected):
    assert only(read(write_flow(log, **{column: label}))[0])[column] is expected


@pytest.mark.parametrize("column", REQUIRED)
def test_a_file_without_a_required_column_is_rejected(log, column):
    pl.read_parquet(write_flow(log)).drop(column).write_parquet(log)
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column {column}\. Add it to the log, remove"):
        find(log)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-9], lambda _: b"PAR1", lambda data: b"PAR1" + data[-9:]],
    ids=["cut", "magic", "footer"],
)
def test_a_damaged_file_is_rejected(log, damage):
    log.write_bytes(damage(write_flow(log).read_bytes()))
    with pytest.raises(UnreadableLogError, match=rf"^{log} is damaged: .+\. Fetch the file again\.$"):
        find(log)


def test_a_file_on_which_polars_panics_is_rejected(log):
    levels = b"\x02\x00\x00\x00\x02\x01"
    content = write_flow(log).read_bytes()
    log.write_bytes(content.replace(levels, levels[:4] + b"\xff\x01", 1))
    with pytest.raises(UnreadableLogError, match=rf"^{log} cannot be read: .+\. Restore the file or remove it"):
        read(log)


def test_a_column_of_an_impossible_type_is_rejected(log):
    with pytest.raises(UnreadableLogError, match=rf"^{log} cannot be read: "):
        read(write_flow(log, src_ip=["10.0.0.1"]))


@pytest.mark.parametrize("column", ["bytes", "src_port", "orig_packets"])
@pytest.mark.parametrize("value", [dt.timedelta(seconds=1), NOON, dt.time(1)])
def test_a_time_in_place_of_a_number_is_an_error(log, column, value):
    """A time or duration in place of a number rejects its row: the number as which it is stored has no meaning."""
    kept, rejected = read(write_flow(log, **{column: value}))
    assert (kept.height, rejected["fault"].to_list()) == (0, [column])


def test_the_number_of_a_row_is_its_line(log):
    pl.DataFrame({name: [value] * 3 for name, value in FLOW.items()} | {"bytes": [1.0, 2.0, 2.5]}).write_parquet(log)
    kept, rejected = read(log)
    assert (kept["bytes"].to_list(), faults(rejected)) == ([1, 2], [(3, "bytes", "2.5")])


NAMES = "timestamp=when,bytes=sent+received,duration='2.5'"


def test_mapped_columns_make_a_record(log):
    """Columns without a mapping are read under their own names."""
    write_flow(log, when=NOON.replace(tzinfo=None), timestamp=None, sent=1, received="2.0", duration=7.0)
    kept, _ = read(log, columns=NAMES)
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | FLOW | {"protocol": "tcp", "bytes": 3, "duration": 2.5}


@pytest.mark.parametrize(
    ("sent", "received", "expected"),
    [(1, None, 1), (None, 2.0, 2), (None, None, None), (2**62, 2**62 - 1, 2**63 - 1), (0, 0, 0)],
)
def test_a_sum_ignores_unset_terms(log, sent, received, expected):
    write_flow(log, sent=sent, received=received, when=NOON)
    assert only(read(log, columns=NAMES)[0])["bytes"] == expected


@pytest.mark.parametrize(
    ("sent", "received", "said"),
    [(2**62, 2**62, f"{2**62}+{2**62}"), (1, -1, "1+-1"), (1, 0.5, "1+0.5"), (1, "x", "1+x"), (None, "x", "x")],
)
def test_a_sum_with_an_invalid_term_is_an_error(log, sent, received, said):
    write_flow(log, sent=sent, received=received, when=NOON)
    assert faults(read(log, columns=NAMES)[1]) == [(1, "bytes", said)]


def test_a_mapped_column_that_a_file_lacks_is_named(log):
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column when, which FLOWS_COLUMNS names\. Correct"):
        find(write_flow(log), columns=NAMES)


def test_positions_are_rejected(log):
    """Positions are for files without a header. Parquet always has names, even ones that look like positions."""
    with pytest.raises(UnreadableLogError, match=rf"^{log} is Parquet, whose columns have names\. Use names in FLOWS"):
        find(write_flow(log, **{"#1": 5}), columns="bytes=#1")
