"""Raw flows made fit for use."""

import datetime as dt
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.clean import clean, count_repeats
from cybersec_assets.flows.schema import RAW
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
    """Make raw flows of some values."""
    return pl.LazyFrame([FLOW | flow for flow in flows], schema=RAW)


def cleaned(flows):
    """Clean flows as the silver layer does."""
    raw = flows_of(flows)
    return clean(raw, count_repeats(raw)).collect(engine="streaming")


def speed_of(flow):
    """Give a flow's bytes a second, by hand."""
    size, seconds = flow["bytes"] or 0, flow["duration"] or 0.0
    return min(size / seconds, sys.float_info.max) if seconds > 0 else 0.0


@examples
@given(st.lists(volumes, min_size=1, max_size=20))
def test_speed_is_bytes_by_duration(flows):
    """Bytes a second are the very ratio, never infinite, and 0 where the duration is 0 or unknown."""
    assert cleaned(flows)["bytes_per_second"].to_list() == [speed_of(flow) for flow in flows]


@examples
@given(st.lists(volumes, min_size=1, max_size=20))
def test_unset_volumes_become_zero(flows):
    """Bytes and duration keep their values, and are 0 where the sensor left them unset."""
    silver = cleaned(flows)
    assert silver["bytes"].to_list() == [flow["bytes"] or 0 for flow in flows]
    assert silver["duration"].to_list() == [flow["duration"] or 0.0 for flow in flows]


@examples
@given(st.lists(volumes, min_size=1, max_size=20))
def test_the_hour_is_that_of_utc(flows):
    """The hour is 0 to 23, of the time in UTC."""
    assert cleaned(flows)["timestamp_hour"].to_list() == [flow["timestamp"].hour for flow in flows]


@pytest.mark.parametrize(
    ("size", "category"),
    [(None, "small"), (0, "small"), (500, "small"), (501, "medium"), (1_500, "medium"), (1_501, "large")],
)
def test_flows_have_a_size(size, category):
    """A flow is small to 500 bytes, medium to 1,500, and large above."""
    assert cleaned([{"bytes": size}])["flow_size_category"].to_list() == [category]


def without_repeats(flows):
    """Take out what repeats an earlier record, by hand."""
    seen, left = set(), []
    for flow in flows:
        key = flow["uid"], flow["timestamp"]
        if flow["uid"] is None or key not in seen:
            left.append(flow)
        seen.add(key)
    return left


@examples
@given(st.lists(records, max_size=20))
def test_repeated_records_are_dropped_and_counted(flows):
    """The first of records with the same uid and time stays, in order, and those without a uid all do."""
    left = without_repeats(flows)
    assert cleaned(flows).select("uid", "timestamp").rows(named=True) == left
    assert count_repeats(flows_of(flows)) == len(flows) - len(left)


def test_no_column_of_raw_is_lost():
    """Silver has raw's columns as they were, then the three that are derived."""
    assert cleaned([{}]).columns == [*RAW, "bytes_per_second", "timestamp_hour", "flow_size_category"]


def test_labels_stay_as_they_are():
    """Cleaning gives no verdict where there was none."""
    assert cleaned([{"label": label} for label in (True, False, None)])["label"].to_list() == [True, False, None]
