"""The rules that a layer must satisfy."""

import datetime as dt
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import QualityError
from cybersec_assets.flows.day import UTC, Day
from cybersec_assets.flows.quality import RuleResult, parse_result, raw_results, require, silver_results
from cybersec_assets.flows.schema import NEVER_NULL, RAW_SCHEMA, VOLUMES
from cybersec_assets_tests.support.flows.logs import DAY, examples

MIDNIGHT = dt.datetime(DAY.year, DAY.month, DAY.day, tzinfo=dt.UTC)
NOON = MIDNIGHT + dt.timedelta(hours=12)
TICK = dt.timedelta(microseconds=1)
FLOW = {"timestamp": NOON, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "protocol": "tcp", "bytes": 1, "duration": 1.0}
RULES = ["not_empty", "no_missing_values", "within_day", "no_negative_volumes"]


def results_of(flows, allowed=0.2, zone=UTC):
    """Return the results for some flows by rule."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "raw.parquet"
        pl.DataFrame([FLOW | flow for flow in flows], schema=RAW_SCHEMA).write_parquet(file)
        return {result.rule: result for result in raw_results(file, Day(DAY, zone), allowed)}


def test_good_flows_break_no_rule():
    """Optional columns may be unset and volumes may be zero."""
    results = results_of([{"bytes": 0, "duration": None}])
    assert list(results) == RULES
    assert require(results.values(), "raw") is None


@pytest.mark.parametrize(
    ("flows", "rule", "problem"),
    [
        ([], "not_empty", " has no flows"),
        (
            [{"timestamp": NOON - dt.timedelta(days=1)}] * 998 + [{}] * 2,
            "within_day",
            f": 99.8 % of the flows are outside {DAY} (limit 20 %)",
        ),
        ([{}, {"bytes": -1}], "no_negative_volumes", " has 1 negative volume or duration"),
        ([{}, {"protocol": None}], "no_missing_values", " has 1 missing time, address or protocol"),
    ],
    ids=RULES[:1] + RULES[2:] + RULES[1:2],
)
def test_a_broken_rule_is_an_error(flows, rule, problem):
    """The message has the layer, the value, the limit and the rule; the exit status is 1."""
    with pytest.raises(QualityError) as caught:
        require(results_of(flows).values(), "raw of 2024-04-19")
    assert str(caught.value).startswith(f"raw of 2024-04-19{problem} (rule {rule}). ")
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("column", VOLUMES)
def test_no_volume_may_be_negative(column):
    result = results_of([{column: -1}, {}, {column: -(2**40)}])["no_negative_volumes"]
    assert (result.holds, result.value) == (False, 2)


@pytest.mark.parametrize("column", NEVER_NULL)
def test_no_required_value_may_be_missing(column):
    result = results_of([{column: None}, {}])["no_missing_values"]
    assert (result.holds, result.value) == (False, 1)


@pytest.mark.parametrize(
    ("time", "inside"),
    [
        (MIDNIGHT, 1),
        (MIDNIGHT - TICK, 0),
        (MIDNIGHT + dt.timedelta(days=1), 0),
        (MIDNIGHT + dt.timedelta(days=1) - TICK, 1),
    ],
    ids=["first", "before", "after", "last"],
)
def test_the_day_ends_before_midnight(time, inside):
    assert results_of([{"timestamp": time}])["within_day"].value == 1 - inside


@examples
@given(st.lists(st.integers(-2, 2), min_size=1, max_size=20), st.integers(0, 20).map(lambda n: n / 20))
def test_the_share_outside_the_day_may_reach_its_limit(days, allowed):
    result = results_of([{"timestamp": NOON + dt.timedelta(days=day)} for day in days], allowed)["within_day"]
    share = sum(day != 0 for day in days) / len(days)
    assert (result.value, result.limit, result.holds) == (share, allowed, share <= allowed)


@pytest.mark.parametrize("share", [0.2 + 1e-6, 0.2001, 0.21])
def test_a_share_just_over_its_limit_has_enough_digits_to_differ(share):
    message = parse_result(share, 0.2).message("raw")
    assert "20 %" not in message.partition("(limit")[0]


def test_damaged_lines_are_a_percentage_of_all_lines():
    message = parse_result(0.05, 0.01).message("raw")
    assert message == "raw: 5 % of the lines are damaged (limit 1 %) (rule lines_parse)"


def test_rows_that_silver_lost_are_reported():
    (result,) = silver_results(1_010, 1_000, {"repeated": 3})
    expected = "silver has 1,000 rows, but raw has 1,010 and 3 were dropped (rule rows_accounted_for)"
    assert result.message("silver") == expected


@pytest.mark.parametrize(("count", "noun"), [(1, "volume or duration"), (1_003, "volumes or durations")])
def test_counts_in_a_problem_use_singular_and_plural(count, noun):
    result = results_of([{"bytes": -1}] * count)["no_negative_volumes"]
    assert result.message("raw") == f"raw has {count:,} negative {noun} (rule no_negative_volumes)"


def local_day(late_share):
    """Return the flows of a local day in New York, of which a share begins after midnight UTC."""
    late = round(1000 * late_share)
    begin = MIDNIGHT + dt.timedelta(hours=4)
    early = [{"timestamp": begin + dt.timedelta(hours=20) * number / (1000 - late)} for number in range(1000 - late)]
    return early + [
        {"timestamp": MIDNIGHT + dt.timedelta(days=1) + dt.timedelta(hours=4) * number / late} for number in range(late)
    ]


@pytest.mark.parametrize(("late", "is_hinted"), [(0.17, True), (0.04, False)])
def test_a_local_day_of_another_zone_has_a_hint_from_5_percent_on(late, is_hinted):
    result = results_of(local_day(late))["within_day"]
    assert result.holds
    assert (result.hint is not None) is is_hinted
    if is_hinted:
        assert result.hint.startswith("They look like a local day at UTC-04:00, 4 h behind UTC: set FLOWS_TIMEZONE")


@pytest.mark.parametrize(("share", "holds"), [(0.0, True), (0.01, True), (0.02, False)])
def test_the_share_of_damaged_lines_may_reach_its_limit(share, holds):
    assert parse_result(share, 0.01).holds is holds


@examples
@given(st.integers(0, 100), st.integers(0, 100), st.lists(st.integers(0, 50), max_size=3))
def test_silver_accounts_for_every_row(raw, silver, dropped):
    """The value is the number of rows that were lost or added."""
    (result,) = silver_results(raw, silver, dict(zip("abc", dropped, strict=False)))
    assert result.holds is (raw == silver + sum(dropped))
    assert result.value == abs(raw - silver - sum(dropped))


def test_the_first_broken_rule_is_named():
    broken = [RuleResult(rule, rule == "good", 1, 0, "Do", "{layer} is wrong") for rule in ("good", "first", "second")]
    with pytest.raises(QualityError, match=r"^layer is wrong \(rule first\)\. Do\.$"):
        require(broken, "layer")
