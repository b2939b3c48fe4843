"""Errors on the command line: one line, an exit status, and a FAILED row if a phase had started."""

import json
import re
import socket

import pytest
import typer
from typer.core import TyperGroup

from cybersec_assets.cli.app import app
from cybersec_assets_tests.conftest import DAY

pytestmark = pytest.mark.usefixtures("in_environment")


def test_bad_input_is_one_line(cybersec, tmp_path):
    (tmp_path / "conn.log").write_bytes(b"")
    status, out, err = cybersec("run", "--date", DAY, "--flows-uri", f"{tmp_path}/conn.log")
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert (status, len(errors)) == (2, 1)
    assert f"{tmp_path}/conn.log is empty" in errors[0]
    assert "Traceback" not in out + err
    (failure,) = json.loads(cybersec("audit", "failures", "--json")[1])
    assert failure["error"] in errors[0]


@pytest.mark.parametrize(
    ("options", "variables", "message"),
    [
        (["--flows-uri", "/nowhere/{date}.log"], {}, f"no file matches /nowhere/{DAY}.log"),
        (["--flows-uri", "/logs/{dat}.log"], {}, "FLOWS_URI=/logs/{dat}.log has a template other than"),
        (["--flows-uri", "https://host/conn.log"], {}, "FLOWS_URI=https://host/conn.log: only local paths"),
        (["--flows-uri", "/logs/*", "--flows-format", "bro"], {}, "FLOWS_FORMAT='bro' is unknown"),
        (["--flows-format", "zeek"], {}, "FLOWS_FORMAT=zeek without FLOWS_URI"),
        (["--flows-uri", "/logs/*", "--flows-columns", "byts=a"], {}, "FLOWS_COLUMNS"),
        ([], {"FLOWS_PSEUDONYM_KEY": "short"}, "FLOWS_PSEUDONYM_KEY"),
        ([], {"AUDIT_SIGNING_KEY": "short"}, "AUDIT_SIGNING_KEY"),
        ([], {"FLOWS_TIMEZONE": "America/New_Yorck"}, "FLOWS_TIMEZONE='America/New_Yorck' is not a time zone"),
        ([], {"FLOWS_TIMEZONE": "../../etc/passwd"}, "FLOWS_TIMEZONE='../../etc/passwd' is not a time zone"),
        ([], {"FEATURE_SET": "basics"}, "FEATURE_SET='basics'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_mistyped_setting_starts_no_run(cybersec, monkeypatch, options, variables, message):
    """A mistyped setting must not mark a day as failed."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    status, out, err = cybersec("run", "--date", DAY, *options, "--json")
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 1
    for name in variables:
        monkeypatch.delenv(name)
    assert json.loads(cybersec("audit", "failures", "--json")[1]) == []


def test_phases_that_did_not_start_are_not_shown(cybersec, tmp_path):
    names = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n"
    (tmp_path / "flows.csv").write_text(names + "1999-01-01 00:00:00,10.0.0.1,10.0.0.2,5,1,tcp\n")
    status, _, err = cybersec("run", "--date", DAY, "--flows-uri", f"{tmp_path}/flows.csv")
    assert status == 1
    assert "raw/network_events" in err
    assert "FAILED" in err
    assert "silver/" not in err
    assert "gold/" not in err


def test_a_broken_quality_rule_exits_with_1(cybersec, tmp_path):
    names = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n"
    (tmp_path / "flows.csv").write_text(names + "1999-01-01 00:00:00,10.0.0.1,10.0.0.2,5,1,tcp\n")
    status, out, err = cybersec("run", "--date", DAY, "--flows-uri", f"{tmp_path}/flows.csv", "--json")
    assert (status, json.loads(out)["success"]) == (1, False)
    assert err == f"error: {json.loads(out)['errors'][0]}\n"
    assert "within_day" in json.loads(out)["errors"][0]


@pytest.mark.parametrize(
    ("date", "message"),
    [
        ("2019-01-01", "2019-01-01 is before CYBERSEC_START_DATE=2025-01-01. Set CYBERSEC_START_DATE=2019-01-01"),
        ("2999-01-01", "2999-01-01 is not over yet (UTC). Use a day up to yesterday"),
        ("tomorrow", "'tomorrow' is not a date. Use YYYY-MM-DD"),
        ("2026-02-30", "'2026-02-30' is not a date"),
        ("2026-1-5", "'2026-1-5' is not a date"),
    ],
)
def test_a_date_that_is_not_a_partition_is_refused(cybersec, date, message):
    status, out, err = cybersec("run", "--date", date)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(f"error: {message}")


def test_records_of_an_invalid_date_are_an_error(cybersec):
    assert cybersec("audit", "records", "--date", "foo")[0] == 2
    assert cybersec("audit", "records", "--date", DAY)[1].startswith("Records handled: none in ")


@pytest.mark.parametrize("variable", ["PG_PORT", "CYBERSEC_SCHEDULE_CRON"])
def test_an_invalid_variable_is_named_with_its_value(cybersec, monkeypatch, variable):
    monkeypatch.setenv(variable, "many")
    status, _, err = cybersec("run", "--date", DAY)
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert (status, len(errors), errors[0].startswith(f"error: {variable}='many'")) == (2, 1, True)


def test_a_run_that_fails_before_its_first_phase_is_reported(cybersec, monkeypatch):

    def refuse(*_):
        raise RuntimeError("no resource")

    monkeypatch.setattr("cybersec_assets.defs.resources.scratch.ScratchResource.yield_for_execution", refuse)
    status, out, err = cybersec("run", "--date", DAY, "--json")
    assert (status, json.loads(out)["success"]) == (2, False)
    assert err == "error: RuntimeError: no resource. Read the run's log in `cybersec ui`.\n"


def test_an_unreachable_audit_is_one_line(cybersec, monkeypatch):
    monkeypatch.setenv("PG_HOST", "127.0.0.1")
    monkeypatch.setenv("PG_PORT", "1")
    status, _, err = cybersec("audit", "records")
    assert (status, len(err.strip().splitlines())) == (2, 1)
    assert "127.0.0.1:1" in err


def test_a_home_that_cannot_be_created_is_one_line(cybersec, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CYBERSEC_HOME", str(tmp_path / "file" / "home"))
    status, out, err = cybersec("run", "--date", DAY)
    assert (status, out, len(err.strip().splitlines())) == (2, "", 1)
    assert f"{tmp_path}/file" in err


def test_an_invalid_dagster_home_is_one_line(cybersec, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "not/absolute")
    status, _, err = cybersec("run", "--date", DAY)
    assert (status, err.startswith("error: DAGSTER_HOME='not/absolute'")) == (2, True)


def test_a_scratch_folder_that_cannot_be_created_fails_the_first_phase(cybersec, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CYBERSEC_SCRATCH", str(tmp_path / "file" / "scratch"))
    status, _, err = cybersec("run", "--date", DAY)
    assert status == 2
    assert f"{tmp_path}/file" in next(line for line in err.splitlines() if line.startswith("error:"))
    assert len(json.loads(cybersec("audit", "failures", "--json")[1])) == 1


def test_a_run_without_a_reachable_audit_is_not_started(cybersec, monkeypatch):
    monkeypatch.setenv("PG_HOST", "127.0.0.1")
    monkeypatch.setenv("PG_PORT", "1")
    status, out, err = cybersec("run", "--date", DAY, "--json")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "127.0.0.1:1" in err


def test_an_unknown_object_is_one_line(cybersec):
    status, _, err = cybersec("audit", "lineage", "model_x.pkl")
    assert (status, "has no object model_x.pkl" in err) == (2, True)


@pytest.mark.parametrize("port", ["-1", "0", "65536", "99999", "http"])
def test_an_invalid_port_is_wrong_usage(cybersec, port):
    status, out, err = cybersec("ui", "--port", port)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("Error: Invalid value for '--port'")


@pytest.mark.parametrize("width", ["60", "80"])
@pytest.mark.parametrize(
    "command",
    [["run"], ["ui"], ["metrics"], ["audit"], *(["audit", name] for name in ("verify", "reconcile", "records"))],
)
def test_help_truncates_no_option_on_a_narrow_terminal(cybersec, monkeypatch, command, width):
    monkeypatch.setenv("COLUMNS", width)
    status, out, _ = cybersec(*command, "--help")
    assert status == 0
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= int(width)
    if command == ["run"]:
        assert set(re.findall(r"--[a-z-]+", out)) >= {"--max-rejected-share", "--max-outside-day", "--flows-columns"}


def test_a_port_in_use_is_refused(cybersec):
    """Dagster would start a second daemon beside the first."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, _, err = cybersec("ui", "--port", port)
    assert (status, f"port {port} is in use" in err) == (2, True)


def test_the_commands_with_results_have_json():
    """The commands of `stores` are not checked."""
    groups = typer.main.get_group(app).commands
    named = {name: each for name, each in groups.items() if not isinstance(each, TyperGroup)}
    audit = groups["audit"]
    assert isinstance(audit, TyperGroup)
    named |= {f"audit {name}": each for name, each in audit.commands.items()}
    without = {name for name, each in named.items() if not any("--json" in param.opts for param in each.params)}
    assert without == {"ui", "metrics", "audit public-key"}
