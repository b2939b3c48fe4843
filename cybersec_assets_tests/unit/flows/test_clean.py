"""Making silver from raw flows."""

import datetime as dt
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.clean import clean, count_repeats
from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.logs import examples

NOON = dt.datetime(2024, 4, 19, 12, tzinfo=dt.UTC)
FLOW = {"timestamp": NOON, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "protocol": "tcp"}
hours = st.integers(0, 30).map(lambda hour: NOON + dt.timedelta(hours=hour))
volumes = st.fixed_dictionaries(
    {
        "timestamp": hours,
        "bytes": st.none() | st.integers(0, 2**63 - 1),
        "duration": st.none() | st.floats(0, 1e300),
    }
)
records = st.fixed_dictionaries(
    {"uid": st.none() | st.sampled_from("abc"), "timestamp": st.sampled_from([NOON, NOON + dt.timedelta(hours=1)])}
)


def flows_of(flows):
    """Return raw flows with some values."""
    return pl.LazyFrame([FLOW | flow for flow in flows], schema=RAW_SCHEMA)


def cleaned(flows):
    """Return cleaned flows, as the silver layer has them."""
    raw = flows_of(flows)
    return clean(raw, count_repeats(raw)).collect(engine="streaming")


def speed_of(flow):
    """Return the bytes per second of a flow."""
    size = flow["bytes"] or 0
    seconds = flow["duration"] or 0.0
    return min(size / seconds, sys.float_info.max) if seconds > 0 else 0.0


@examples
@given(st.lists(volumes, min_size=1, max_size=20))
def test_speed_is_bytes_by_duration(flows):
    """It is never infinite, and 0 if the duration is 0 or unknown."""
    assert cleaned(flows)["bytes_per_second"].to_list() == [speed_of(flow) for flow in flows]


@examples
@given(st.lists(volumes, min_size=1, max_size=20))
def test_unset_volumes_become_zero(flows):
    silver = cleaned(flows)
    assert silver["bytes"].to_list() == [flow["bytes"] or 0 for flow in flows]
    assert silver["duration"].to_list() == [flow["duration"] or 0.0 for flow in flows]


@examples
@given(st.lists(volumes, min_size=1, max_size=20))
def test_the_hour_is_that_of_utc(flows):
    assert cleaned(flows)["timestamp_hour"].to_list() == [flow["timestamp"].hour for flow in flows]


@pytest.mark.parametrize(
    ("size", "category"),
    [(None, "small"), (0, "small"), (500, "small"), (501, "medium"), (1_500, "medium"), (1_501, "large")],
)
def test_flows_have_a_size_category(size, category):
    assert cleaned([{"bytes": size}])["flow_size_category"].to_list() == [category]


def without_repeats(flows):
    """Return the flows that do not repeat an earlier record."""
    seen = set()
    left = []
    for flow in flows:
        key = flow["uid"], flow["timestamp"]
        if flow["uid"] is None or key not in seen:
            left.append(flow)
        seen.add(key)
    return left


@examples
@given(st.lists(records, max_size=20))
def test_repeated_records_are_dropped_and_counted(flows):
    """The first record with a uid and time stays, and all records without a uid."""
    left = without_repeats(flows)
    assert cleaned(flows).select("uid", "timestamp").rows(named=True) == left
    assert count_repeats(flows_of(flows)) == len(flows) - len(left)


def test_no_column_of_raw_is_lost():
    assert cleaned([{}]).columns == [*RAW_SCHEMA, "bytes_per_second", "timestamp_hour", "flow_size_category"]


def test_labels_are_unchanged():
    assert cleaned([{"label": label} for label in (True, False, None)])["label"].to_list() == [True, False, None]
