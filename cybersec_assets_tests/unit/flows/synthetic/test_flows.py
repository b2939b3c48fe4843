"""Labelled synthetic flows."""

import datetime as dt

import polars as pl
import pytest

from cybersec_assets.flows.schema import NEVER_NULL, ORIGIN, RAW_SCHEMA, REQUIRED, VOLUMES
from cybersec_assets.flows.synthetic.flows import synthetic_flows
from cybersec_assets_tests.support.flows.logs import DAY

FLOWS = 100_001
MIDNIGHT = dt.datetime(DAY.year, DAY.month, DAY.day, tzinfo=dt.UTC)
ATTACKERS = {"10.0.1.66": 8443, "192.0.2.77": None, "10.0.2.31": 443, "192.0.2.140": 22}
"""The source of each attack, with its destination port if it has only one."""


def make(flows, day=DAY):
    """Return the flows of a day."""
    return synthetic_flows(day, flows).collect(engine="streaming")


@pytest.fixture(scope="module")
def day():
    """Return a day of more than one slice."""
    return make(FLOWS)


def test_the_date_determines_the_flows(day):
    assert make(FLOWS).equals(day)
    other = make(FLOWS, DAY + dt.timedelta(days=1))
    assert other["bytes"].to_list() != day["bytes"].to_list()


@pytest.mark.parametrize("flows", [1, 2, 99_999, 100_000, FLOWS])
def test_the_number_of_flows_is_exact_and_times_are_sorted_within_the_day(flows):
    made = make(flows)
    assert made.height == flows
    assert made["timestamp"].is_sorted()
    assert MIDNIGHT <= made["timestamp"][0] <= made["timestamp"][-1] < MIDNIGHT + dt.timedelta(days=1)


def test_flows_spread_over_the_whole_day(day):
    hours = day.group_by(pl.col("timestamp").dt.hour()).len()
    assert hours.height == 24
    assert hours["len"].min() > FLOWS / 24 * 0.8


def test_the_schema_is_that_of_every_source(day):
    """Required columns have no nulls, volumes are not negative, and there are no errors."""
    assert dict(day.schema) == RAW_SCHEMA | ORIGIN
    assert sum(day.select({*REQUIRED, *NEVER_NULL, "label"}).null_count().row(0)) == 0
    assert min(day[name].min() for name in VOLUMES) >= 0
    assert day["fault"].null_count() == FLOWS
    assert (day["bytes"] == day["orig_bytes"] + day["resp_bytes"]).all()


def test_records_have_distinct_uids_and_lines(day):
    assert day["uid"].n_unique() == FLOWS
    assert day["uid"][-1] == f"S2024-04-19-{FLOWS - 1}"
    assert day["line"].to_list() == list(range(1, FLOWS + 1))


def test_four_attacks_are_labelled(day):
    """Each is half a percent of the flows, and all other flows are benign."""
    attacks = day.filter("label")
    assert dict(attacks.group_by("src_ip").len().rows()) == dict.fromkeys(ATTACKERS, 500)
    assert not set(day.filter(~pl.col("label"))["src_ip"]) & {"192.0.2.77", "192.0.2.140"}
    for host, port in ATTACKERS.items():
        ports = set(attacks.filter(src_ip=host)["dst_port"])
        assert ports == {port} if port else len(ports) == 500


def test_attacks_have_their_typical_volumes_and_intervals(day):
    attack = {host: day.filter(src_ip=host, label=True) for host in ATTACKERS}
    assert attack["10.0.2.31"]["orig_bytes"].median() > 1_000 * day["bytes"].quantile(0.5)
    assert attack["192.0.2.77"]["bytes"].max() == 0
    gaps = attack["10.0.1.66"]["timestamp"].diff().drop_nulls().dt.total_seconds(fractional=True)
    assert gaps.std() < gaps.mean() / 10
    assert attack["192.0.2.140"]["bytes"].std() < attack["192.0.2.140"]["bytes"].mean() / 20


@pytest.mark.parametrize("column", ["bytes", "duration"])
def test_ordinary_volumes_are_heavy_tailed(day, column):
    """The mean is far above the median, and 1 % of the flows have much of the volume."""
    volumes = day.filter(~pl.col("label"))[column].cast(pl.Float64).sort(descending=True)
    assert volumes.mean() > 2.5 * volumes.median()
    assert volumes.head(volumes.len() // 100).sum() > 0.2 * volumes.sum()


def test_pushed_down_columns_filters_and_limits_change_nothing():
    lazy = synthetic_flows(DAY, 3_000)
    whole = make(3_000)
    assert lazy.select("uid", "bytes").collect().equals(whole.select("uid", "bytes"))
    assert lazy.filter("label").collect().equals(whole.filter("label"))
    assert lazy.head(7).collect().equals(whole.head(7))


def test_zero_flows_are_allowed():
    assert make(0).height == 0
