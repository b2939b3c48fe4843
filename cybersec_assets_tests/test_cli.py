"""The command line: tables for people, JSON for machines, one line for what goes wrong."""

import json
import socket
import sys

import pytest

from cybersec_assets import cli
from cybersec_assets.errors import StoreError
from cybersec_assets_tests.conftest import DAY

PHASES = ["raw/network_events", "silver/network_events", "gold/isolation_forest", "gold/evaluation"]


@pytest.fixture
def cybersec(settings, monkeypatch, capsys):
    """Run the command in this process; give its exit status and what it printed."""
    monkeypatch.setenv("CYBERSEC_HOME", str(settings.cybersec_home))
    monkeypatch.setenv("CYBERSEC_SYNTHETIC_FLOWS", "3000")
    monkeypatch.setenv("PG_HOST", settings.pg_host)
    monkeypatch.setenv("PG_DATABASE", settings.pg_database)
    # What the command sets itself goes away with the test.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cybersec", *arguments])
        status = 0
        try:
            cli.main()
        except SystemExit as ended:
            status = ended.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_a_days_run_is_shown_to_people(cybersec):
    """A person sees what was written where, the figures, the strangest flows, and how to open the UI."""
    status, out, _ = cybersec("run", "--date", DAY)
    assert status == 0
    for phase in PHASES:
        assert phase in out
    assert "flows     synthetic, as FLOWS_URI is not set" in out
    for word in ("anomaly_rate", "auroc", "strangest flows", "cybersec ui", "store", "database"):
        assert word in out


def test_a_days_run_is_told_to_machines(cybersec):
    """The same as one JSON document on standard output, and nothing else there."""
    status, out, _ = cybersec("run", "--date", DAY, "--json")
    told = json.loads(out)
    assert (status, told["success"], told["date"], told["errors"]) == (0, True, DAY, [])
    assert [phase["asset"] for phase in told["phases"]] == PHASES
    assert len(told["strangest"]) == 10
    assert told["strangest"][0]["anomaly_score"] >= told["strangest"][9]["anomaly_score"]
    assert told["metrics"]["flows"] == 3_000


def test_the_audit_answers_after_a_run(cybersec):
    """Last run, records, lineage, failures and what stands out answer for machines and for people."""
    cybersec("run", "--date", DAY, "--json")
    phases = {row["asset"]: row for row in json.loads(cybersec("audit", "last-run", "--json")[1])}
    assert list(phases) == PHASES
    model = phases["gold/isolation_forest"]["uri"].rpartition("/")[2]
    lineage = json.loads(cybersec("audit", "lineage", model, "--json")[1])
    assert [row["asset"] for row in lineage] == list(reversed(PHASES[:3]))
    records = json.loads(cybersec("audit", "records", "--date", DAY, "--json")[1])
    assert [row["records"] for row in records] == [3000] * 4
    assert json.loads(cybersec("audit", "failures", "--json")[1]) == []
    assert "Failed phases: none in " in cybersec("audit", "failures")[1]
    assert json.loads(cybersec("audit", "anomalies", "--json")[1]) == []
    assert "Results that stand out: none in " in cybersec("audit", "anomalies")[1]
    assert model in cybersec("audit", "lineage", model)[1]


def test_bad_input_is_one_line(cybersec):
    """A missing log ends the run with its one line on standard error and status 2; the audit shows the failure."""
    status, out, err = cybersec("run", "--date", DAY, "--flows-uri", "/nowhere/{date}.log")
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert (status, len(errors)) == (2, 1)
    assert f"/nowhere/{DAY}.log" in errors[0]
    assert "Traceback" not in out + err
    (failure,) = json.loads(cybersec("audit", "failures", "--json")[1])
    assert failure["error"] in errors[0]


def test_a_broken_rule_is_a_finding(cybersec, tmp_path):
    """Data that breaks a rule ends with status 1, which tells it from wrong use."""
    names = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n"
    (tmp_path / "flows.csv").write_text(names + "1999-01-01 00:00:00,10.0.0.1,10.0.0.2,5,1,tcp\n")
    status, out, err = cybersec("run", "--date", DAY, "--flows-uri", f"{tmp_path}/flows.csv", "--json")
    assert (status, json.loads(out)["success"]) == (1, False)
    assert err == f"error: {json.loads(out)['errors'][0]}\n"
    assert "within_day" in json.loads(out)["errors"][0]


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("2019-01-01", "2019-01-01 is before CYBERSEC_START_DATE=2025-01-01. Set CYBERSEC_START_DATE=2019-01-01"),
        ("2999-01-01", "2999-01-01 is not over yet (UTC). Give a day up to yesterday"),
        ("tomorrow", "'tomorrow' is no date. Give it as YYYY-MM-DD"),
        ("2026-02-30", "'2026-02-30' is no date"),
        ("2026-1-5", "'2026-1-5' is no date"),
    ],
)
def test_a_day_that_is_no_partition_is_refused(cybersec, date, said):
    """A day before the start or not over yet, or no day at all, is refused in one line before anything is made."""
    status, out, err = cybersec("run", "--date", date)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(f"error: {said}")


def test_records_of_no_date_are_refused(cybersec):
    """A day that is no date is not the same as a day without records."""
    assert cybersec("audit", "records", "--date", "foo")[0] == 2
    assert cybersec("audit", "records", "--date", DAY)[1].startswith("Records handled: none in ")


@pytest.mark.parametrize("variable", ["PG_PORT", "CYBERSEC_SCHEDULE_CRON"])
def test_a_wrong_variable_is_named(cybersec, monkeypatch, variable):
    """A variable with an impossible value is named with the value, whichever command reads it."""
    monkeypatch.setenv(variable, "many")
    status, _, err = cybersec("run", "--date", DAY)
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert (status, len(errors), errors[0].startswith(f"error: {variable}='many'")) == (2, 1, True)


def test_a_run_that_fails_before_its_phases_says_so(cybersec, monkeypatch):
    """Where a resource cannot be made the run is no success, for people and for machines."""

    def refuse(*_):
        raise RuntimeError("no resource")

    monkeypatch.setattr("cybersec_assets.resources.scratch.ScratchResource.yield_for_execution", refuse)
    status, out, err = cybersec("run", "--date", DAY, "--json")
    assert (status, json.loads(out)["success"]) == (2, False)
    assert err.startswith("error: the run failed before its first phase")


def test_flows_that_cannot_be_shown_do_not_undo_the_day(cybersec, monkeypatch):
    """Where the closing look at the store fails, the day's rows and figures are told all the same."""

    def refuse(*_):
        raise StoreError("the store is away", "Look for it")

    monkeypatch.setattr("cybersec_assets.day_report.fetch_object", refuse)
    status, out, err = cybersec("run", "--date", DAY, "--json")
    told = json.loads(out)
    assert (status, told["success"], told["strangest"], len(told["phases"])) == (0, True, None, 4)
    assert "the store is away" in err


def test_an_audit_that_is_away_is_one_line(cybersec, monkeypatch):
    """A database that cannot be reached is named, with status 2."""
    monkeypatch.setenv("PG_HOST", "127.0.0.1")
    monkeypatch.setenv("PG_PORT", "1")
    status, _, err = cybersec("audit", "records")
    assert (status, len(err.strip().splitlines())) == (2, 1)
    assert "127.0.0.1:1" in err


def test_a_home_that_cannot_be_made_is_one_line(cybersec, monkeypatch, tmp_path):
    """A CYBERSEC_HOME below a file is named, with status 2."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("CYBERSEC_HOME", str(tmp_path / "file" / "home"))
    status, out, err = cybersec("run", "--date", DAY)
    assert (status, out, len(err.strip().splitlines())) == (2, "", 1)
    assert f"{tmp_path}/file" in err


def test_a_dagster_home_that_is_none_is_one_line(cybersec, monkeypatch):
    """A DAGSTER_HOME that Dagster would refuse is named, with status 2."""
    monkeypatch.setenv("DAGSTER_HOME", "not/absolute")
    status, _, err = cybersec("run", "--date", DAY)
    assert (status, err.startswith("error: DAGSTER_HOME='not/absolute'")) == (2, True)


def test_a_scratch_that_cannot_be_made_fails_the_first_phase(cybersec, monkeypatch, tmp_path):
    """A CYBERSEC_SCRATCH below a file ends in one line and a FAILED row."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("CYBERSEC_SCRATCH", str(tmp_path / "file" / "scratch"))
    status, _, err = cybersec("run", "--date", DAY)
    assert status == 2
    assert f"{tmp_path}/file" in next(line for line in err.splitlines() if line.startswith("error:"))
    assert len(json.loads(cybersec("audit", "failures", "--json")[1])) == 1


def test_a_run_without_its_audit_says_so_once(cybersec, monkeypatch):
    """A run whose audit is away ends in one line and, for machines, a document without rows."""
    monkeypatch.setenv("PG_HOST", "127.0.0.1")
    monkeypatch.setenv("PG_PORT", "1")
    status, out, err = cybersec("run", "--date", DAY, "--json")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "127.0.0.1:1" in err
    assert (json.loads(out)["success"], json.loads(out)["phases"]) == (False, [])


def test_an_unknown_object_is_one_line(cybersec):
    """Lineage of what the audit does not know says where to find names."""
    status, _, err = cybersec("audit", "lineage", "model_x.pkl")
    assert (status, "knows no object model_x.pkl" in err) == (2, True)


def test_a_days_limits_are_options(cybersec, tmp_path):
    """A capture that has flows of other days, and damage, is read where a person says so."""
    rows = [
        f"2026-01-0{1 + n % 2} 10:00:00.{n:03},10.0.0.1,10.0.0.2,{n},{'x' if n < 9 else 1},tcp\n" for n in range(300)
    ]
    (tmp_path / "flows.csv").write_text("timestamp,src_ip,dst_ip,bytes,duration,protocol\n" + "".join(rows))
    given = ("run", "--date", DAY, "--flows-uri", f"{tmp_path}/flows.csv", "--json")
    for options, status in (
        ([], 1),
        (["--max-rejected-share", "0.1"], 1),
        (["--max-rejected-share", "0.1", "--max-outside-day", "0.6"], 0),
    ):
        assert cybersec(*given, *options)[0] == status


def test_what_was_left_out_is_told(cybersec, tmp_path):
    """Damaged lines, repeated records and flows of another day are told in the shell, too."""
    names = "timestamp,src_ip,dst_ip,bytes,duration,protocol,uid\n"
    rows = [f"{DAY} 10:00:00.{n:03},10.0.0.1,10.0.0.2,{n},1,tcp,u{n}\n" for n in range(398)]
    rows += [rows[0], f"{DAY} 11:00:00,10.0.0.1,10.0.0.2,many,1,tcp,x\n", "2026-01-01 23:59:59,a,b,1,1,tcp,y\n"]
    (tmp_path / "flows.csv").write_text(names + "".join(rows))
    status, out, _ = cybersec("run", "--date", DAY, "--flows-uri", f"{tmp_path}/flows.csv")
    assert status == 0
    for note in (
        "damaged lines left out: 1 (0.25%)",
        "repeated records left out of silver: 1",
        "0.25% of the flows began",
    ):
        assert f"note      {note}" in out
    assert f"flows     {tmp_path}/flows.csv\n" in out


def test_synthetic_flows_by_format_are_called_so(cybersec):
    """Where a place is set and the format asks for synthetic flows all the same, it is the format that is named."""
    out = cybersec("run", "--date", DAY, "--flows-uri", "/nowhere", "--flows-format", "synthetic", "--json")[1]
    assert json.loads(out)["flows"] == "synthetic, as FLOWS_FORMAT says"


@pytest.mark.parametrize("given", ["option", "variable"])
def test_a_research_set_is_run_as_it_is(cybersec, tmp_path, monkeypatch, given):
    """A labelled file without a header makes all layers, by a mapping as an option or in FLOWS_COLUMNS."""
    rows = [f"{n % 7},tcp,{n},{n * n},{'attack' if n % 50 == 0 else 'normal'}\n" for n in range(300)]
    (tmp_path / "set.txt").write_text("".join(rows))
    columns = f"timestamp='{DAY}',src_ip='0.0.0.0',dst_ip='0.0.0.0',duration=#1,protocol=#2,bytes=#3+#4,label=#5"
    options = ["--flows-columns", columns] if given == "option" else []
    if given == "variable":
        monkeypatch.setenv("FLOWS_COLUMNS", columns)
    status, out, _ = cybersec("run", "--date", DAY, "--flows-uri", f"{tmp_path}/set.txt", *options, "--json")
    told = json.loads(out)
    assert (status, told["errors"], told["metrics"]["flows"]) == (0, [], 300)
    assert "auroc" in told["metrics"]


def test_a_port_that_is_taken_is_refused(cybersec):
    """A second UI on the same port is refused, instead of starting a second daemon beside the first."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, _, err = cybersec("ui", "--port", port)
    assert (status, f"port {port} is in use" in err) == (2, True)


def test_a_long_line_is_not_broken(cybersec):
    """What is piped on has each object's address in one piece."""
    cybersec("run", "--date", DAY, "--json")
    model = json.loads(cybersec("audit", "records", "--json")[1])[2]["uri"]
    assert model in cybersec("audit", "lineage", model)[1]


def test_the_ui_is_dagsters_on_this_project(cybersec, settings, monkeypatch):
    """`cybersec ui` becomes `dagster dev` on the code location, with the instance that runs were recorded in."""
    started = []
    monkeypatch.setattr("os.execv", lambda _, command: started.append(command))
    assert cybersec("ui", "--port", "4000")[0] == 0
    assert started[0][1:] == ["-m", "dagster", "dev", "-m", "cybersec_assets.definitions", "-p", "4000"]
    assert (
        (settings.cybersec_home / "dagster" / "dagster.yaml").read_text().startswith("telemetry:\n  enabled: false\n")
    )
