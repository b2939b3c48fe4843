"""Dagster shows the value and the limit of every rule, broken or not."""

import dagster as dg
import pytest

from cybersec_assets.definitions import build_definitions
from cybersec_assets.defs.checks import EVALUATION_RULES, RAW_RULES, SILVER_RULES
from cybersec_assets.flows.clean import clean
from cybersec_assets_tests.conftest import DAY, stored_files

NAMES = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n"
GOOD = f"{DAY} 10:00:00,10.0.0.1,10.0.0.2,5,1,tcp\n"
EARLIER = "2020-01-01 10:00:00,10.0.0.1,10.0.0.2,5,1,tcp\n"
DAMAGED = f"{DAY} 10:00:00,10.0.0.1,10.0.0.2,many,1,tcp\n"
OF_RAW = {*RAW_RULES, "past_days_unchanged"}


def checks_of(result):
    """Return a run's evaluations by check; each check must be evaluated once."""
    found = result.get_asset_check_evaluations()
    assert len({check.check_name for check in found}) == len(found)
    return {check.check_name: check for check in found}


@pytest.fixture
def source(make_settings, tmp_path):
    """Write a day's CSV, and return settings that read it."""

    def write(text):
        (tmp_path / "flows.csv").write_text(NAMES + text)
        return make_settings(flows_uri=f"{tmp_path}/flows.csv")

    return write


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("", {"not_empty": (0, 1)}),
        (GOOD * 6 + EARLIER * 4, {"within_day": (0.4, 0.2)}),
        (GOOD * 90 + DAMAGED * 10, {"lines_parse": (0.1, 0.01)}),
        (GOOD * 45 + EARLIER * 45 + DAMAGED * 10, {"within_day": (0.5, 0.2), "lines_parse": (0.1, 0.01)}),
        (DAMAGED, {"not_empty": (0, 1), "lines_parse": (1, 0.01)}),
    ],
)
def test_broken_rules_of_raw_fail_and_the_others_pass(source, materialize, text, broken):
    """Broken rules have their values and limits, and nothing is stored."""
    settings = source(text)
    result, (row,) = materialize(settings)
    found = checks_of(result)
    assert set(found) == OF_RAW
    assert {name for name, check in found.items() if not check.passed} == set(broken)
    for name, (value, limit) in broken.items():
        values = {key: entry.value for key, entry in found[name].metadata.items()}
        assert values == {"value": pytest.approx(value), "limit": limit}
        assert found[name].description.startswith("raw/network_events")
        assert found[name].description.endswith(f"(rule {name})")
        assert (found[name].severity, found[name].blocking) == (dg.AssetCheckSeverity.ERROR, True)
        assert found[name].target_materialization_data is None
    assert row["estado"] == "FAILED"
    assert [path for path in stored_files(settings) if "rejected" not in path.name] == []
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.description == row["error"]


def test_a_broken_rule_of_silver_leaves_the_checks_of_raw(settings, materialize, monkeypatch):
    """Silver's check fails with its value, those of raw pass, and the evaluation's does not run."""
    monkeypatch.setattr("cybersec_assets.defs.assets.silver.clean", lambda raw, _: clean(raw, 0).head(100))
    result, _ = materialize(settings)
    found = checks_of(result)
    assert set(found) == OF_RAW | set(SILVER_RULES)
    assert {name for name, check in found.items() if not check.passed} == {"rows_accounted_for"}
    assert found["rows_accounted_for"].metadata["value"].value == 1_900


def test_a_failed_evaluation_leaves_the_checks_before_it(settings, materialize, monkeypatch):
    """The checks of raw and silver pass."""

    def refuse(_):
        raise OSError("no room")

    monkeypatch.setattr("cybersec_assets.model.evaluate.evaluate", refuse)
    result, rows = materialize(settings)
    assert rows[-1]["estado"] == "FAILED"
    found = checks_of(result)
    assert set(found) == OF_RAW | set(SILVER_RULES)
    assert all(check.passed for check in found.values())


def test_an_earlier_materialization_keeps_its_checks(source):
    """A day that is materialized again and breaks a rule keeps the checks of its earlier materialization."""
    ended = []
    with dg.DagsterInstance.ephemeral() as instance:
        for text in (GOOD * 10, EARLIER * 10):
            job = build_definitions(source(text)).resolve_job_def("daily_training")
            ended.append(job.execute_in_process(partition_key=DAY, instance=instance, raise_on_error=False))
    assert [result.success for result in ended] == [True, False]
    blamed = [{bool(check.target_materialization_data) for check in checks_of(result).values()} for result in ended]
    assert blamed == [{True}, {False}]


def test_rules_block_and_warnings_do_not(settings):
    graph = build_definitions(settings).resolve_asset_graph()
    blocking = {key.name: graph.get_check_spec(key).blocking for key in graph.asset_check_keys}
    rules = dict.fromkeys([*RAW_RULES, *SILVER_RULES], True)
    assert blocking == rules | dict.fromkeys([*EVALUATION_RULES, "past_days_unchanged"], False)
