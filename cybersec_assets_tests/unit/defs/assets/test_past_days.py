"""The check `past_days_unchanged` reports added and changed logs of earlier days, and does nothing else."""

import pytest

from cybersec_assets.defs.assets.past_days import NAME
from cybersec_assets.operations.run_day import result_of
from cybersec_assets_tests.conftest import DAY

NEXT_DAY = "2026-01-03"
NAMES = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n"


@pytest.fixture
def write_log(tmp_path):
    """Write a day's log, and return a pattern that matches it."""

    def write(day, flows=300, part="a"):
        rows = [f"{day} 10:00:00.{n:03},10.0.0.1,10.0.0.2,{n},1,tcp\n" for n in range(flows)]
        (tmp_path / f"{day}.{part}.csv").write_text(NAMES + "".join(rows))
        return f"{tmp_path}/{{date}}.*.csv"

    return write


@pytest.fixture
def write_logs(write_log):
    """Write the logs of both days, and return a pattern that matches them."""

    def write():
        write_log(DAY)
        return write_log(NEXT_DAY)

    return write


def check_of(result):
    """Return the check's evaluation in a run."""
    (found,) = [check for check in result.get_asset_check_evaluations() if check.check_name == NAME]
    return found


def test_unchanged_logs_pass(make_settings, materialize, write_logs):
    settings = make_settings(flows_uri=write_logs())
    for day in (DAY, NEXT_DAY):
        result, _ = materialize(settings, ["raw/network_events"], partition_key=day)
    assert (check_of(result).passed, check_of(result).metadata["value"].value) == (True, 0)


def test_changed_logs_of_a_past_day_warn(make_settings, materialize, write_log, write_logs, tmp_path):
    """The next day's run warns with day, file and remedy, and succeeds.

    After the day is materialized again, the check passes.
    """
    settings = make_settings(flows_uri=write_logs())
    materialize(settings, ["raw/network_events"])
    write_log(DAY, 310)
    write_log(DAY, 10, part="b")
    result, rows = materialize(settings, ["raw/network_events"], partition_key=NEXT_DAY)
    check = check_of(result)
    assert (rows[-1]["estado"], check.passed, check.severity.value) == ("SUCCESS", False, "WARN")
    assert check.metadata["value"].value == 2
    for word in (f"{DAY}: {tmp_path}/{DAY}.a.csv has changed", f"{DAY}.b.csv is new. Materialize raw/network_events"):
        assert word in check.metadata["changes"].value
    (note,) = result_of(result.run_id, result.all_events).notes
    assert note.startswith(f"{DAY}: {tmp_path}/{DAY}.a.csv has changed")
    assert note.endswith("Materialize raw/network_events of that day again (1 more: see the check past_days_unchanged)")
    materialize(settings, ["raw/network_events"])
    result, _ = materialize(settings, ["raw/network_events"], partition_key=NEXT_DAY)
    assert check_of(result).passed


def test_unreadable_logs_of_a_past_day_warn(make_settings, materialize, write_logs, tmp_path):
    """The check warns with the reason, and the run continues."""
    settings = make_settings(flows_uri=write_logs())
    materialize(settings, ["raw/network_events"])
    (tmp_path / f"{DAY}.c.csv").mkdir()
    result, _ = materialize(settings, ["raw/network_events"], partition_key=NEXT_DAY)
    assert result.success
    assert "c.csv is not a regular file" in check_of(result).description


def test_an_unexpected_error_does_not_hide_a_broken_rule(make_settings, materialize, write_log, monkeypatch):
    """The FAILED row has the broken rule, not the error of the comparison."""

    def fail(*_):
        raise ValueError("not expected")

    settings = make_settings(flows_uri=write_log(DAY))
    materialize(settings, ["raw/network_events"])
    write_log(NEXT_DAY, 0)
    monkeypatch.setattr("cybersec_assets.defs.assets.past_days.changes", fail)
    result, rows = materialize(settings, ["raw/network_events"], partition_key=NEXT_DAY)
    assert (rows[-1]["estado"], "not expected" in rows[-1]["error"]) == ("FAILED", False)
    assert "not_empty" in rows[-1]["error"] or "no flows" in rows[-1]["error"], rows[-1]["error"]
    assert check_of(result).description == "the logs could not be checked: not expected"


def test_synthetic_days_pass(settings, materialize):
    result, _ = materialize(settings, ["raw/network_events"])
    assert check_of(result).passed
