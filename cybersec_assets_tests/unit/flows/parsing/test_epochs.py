"""Every reader reads epochs of any unit."""

import datetime as dt
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets_tests.support.flows.delimited_logs import ARGUS, AWS_VPC, NFDUMP, NFDUMP_LATER
from cybersec_assets_tests.support.flows.json_logs import EVENT, THERE, conn, event, lines
from cybersec_assets_tests.support.flows.logs import (
    CSV,
    csv_log,
    csv_row,
    examples,
    only,
    read,
    write,
    zeek_log,
    zeek_row,
)

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
INSTANT = 1_713_520_800_250_123
"""A time of the day of the tests, in microseconds."""
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}
"""Microseconds per unit. Nanoseconds have three more digits."""


def number(microseconds, unit):
    """Return a time as a whole number of a unit."""
    return microseconds * 1_000 + 7 if unit == "ns" else microseconds // UNITS[unit]


def parquet(values):
    """Return a Parquet file with some timestamps."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "flows"
        pl.DataFrame(CSV | {"bytes": 30, "duration": 1.5}).drop("timestamp").join(
            pl.DataFrame({"timestamp": values}), how="cross"
        ).write_parquet(file)
        return file.read_bytes()


LOGS = {
    "zeek": lambda value: zeek_log(zeek_row(ts=str(value))),
    "zeek, time as the last field": lambda value: zeek_log(
        zeek_row().split("\t", 1)[1].removesuffix("\n") + f"\t{value}\n", fields=_zeek_time_last()
    ),
    "zeek_json": lambda value: lines(conn(ts=value)),
    "zeek_json, as text": lambda value: lines(conn(ts=str(value))),
    "suricata": lambda value: lines(event(start=value, end=value)),
    "suricata, netflow": lambda value: lines(
        EVENT, THERE | {"flow_id": 8, "netflow": THERE["netflow"] | {"start": value, "end": value}}
    ),
    "csv": lambda value: csv_log(csv_row(timestamp=str(value))),
    "parquet": lambda value: parquet([value]),
    "parquet, as text": lambda value: parquet([str(value)]),
    "argus": lambda value: ARGUS.log(ARGUS.row({"StartTime": str(value)})),
    "nfdump": lambda value: NFDUMP.log(NFDUMP.row({"ts": str(value)})),
    "nfdump, later": lambda value: NFDUMP_LATER.log(NFDUMP_LATER.row({"firstSeen": str(value)})),
    "aws_vpc": lambda value: AWS_VPC.log(AWS_VPC.row({"start": str(value), "end": str(value)})),
}


def _zeek_time_last():
    names = zeek_log().splitlines()[-1].split("\t")[1:]
    return [*names[1:], names[0]]


def time_of(content):
    """Return the time of the last record of a log without errors."""
    with tempfile.TemporaryDirectory() as folder:
        kept, rejected = read(write(Path(folder) / "log", content))
    assert rejected.is_empty()
    return kept["timestamp"][-1]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)
def test_every_reader_reads_every_unit(log, unit):
    expected = EPOCH + dt.timedelta(microseconds=INSTANT // UNITS[unit] * UNITS[unit])
    assert time_of(log(number(INSTANT, unit))) == expected


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)
def test_every_reader_rejects_a_date_as_a_number_and_a_negative_time(log, tmp_path):
    for value in (20_240_419_100_000, -1):
        _, rejected = read(write(tmp_path / "log", log(value)))
        assert only(rejected)["fault"] == "timestamp"


units = st.sampled_from(sorted(UNITS))
instants = st.integers(INSTANT - 10**9, INSTANT + 10**9)


@examples
@given(st.lists(st.tuples(instants, units), min_size=1, max_size=8))
def test_one_file_may_mix_units(values):
    """The unit of each value is determined separately, on the fast path and on the fallback."""
    expected = [EPOCH + dt.timedelta(microseconds=at // UNITS[unit] * UNITS[unit]) for at, unit in values]
    numbers = [number(*value) for value in values]
    contents = {
        "zeek": zeek_log(*(zeek_row(ts=str(value)) for value in numbers)),
        "zeek_json": lines(*(conn(ts=value) for value in numbers)),
        "csv": csv_log(*(csv_row(timestamp=str(value)) for value in numbers)),
        "parquet": parquet(numbers),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            kept, rejected = read(write(Path(folder) / name, content))
            assert (kept["timestamp"].to_list(), rejected.height) == (expected, 0)
