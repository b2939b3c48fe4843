"""The command line: tables for people, JSON for machines."""

import datetime as dt
import json
from importlib import metadata

import pytest

from cybersec_assets.errors import StoreError
from cybersec_assets.operations.run_day import WORKSPACE
from cybersec_assets_tests.conftest import DAY

pytestmark = pytest.mark.usefixtures("in_environment")

PHASES = ["raw/network_events", "silver/network_events", "gold/isolation_forest", "gold/evaluation"]


def test_a_days_run_is_shown_to_people(cybersec):
    """A person sees what was written where, the figures, the most anomalous flows, and how to open the UI."""
    status, out, _ = cybersec("run", "--date", DAY)
    assert status == 0
    for phase in PHASES:
        assert phase in out
    assert "flows     synthetic, as FLOWS_URI is not set" in out
    for word in ("anomaly_rate", "auroc", "most anomalous flows", "cybersec ui", "store", "database"):
        assert word in out


def test_a_days_run_is_told_to_machines(cybersec):
    """The same as one JSON document on standard output, and nothing else there."""
    status, out, _ = cybersec("run", "--date", DAY, "--json")
    told = json.loads(out)
    assert (status, told["success"], told["date"], told["errors"]) == (0, True, DAY, [])
    assert [phase["asset"] for phase in told["phases"]] == PHASES
    assert len(told["top_anomalies"]) == 10
    assert told["top_anomalies"][0]["anomaly_score"] >= told["top_anomalies"][9]["anomaly_score"]
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


def test_flows_that_cannot_be_shown_do_not_undo_the_day(cybersec, monkeypatch):
    """Where the closing look at the store fails, the day's rows and figures are told all the same."""

    def refuse(*_):
        raise StoreError("the store is away", "Look for it")

    monkeypatch.setattr("cybersec_assets.cli.run.fetch_object", refuse)
    status, out, err = cybersec("run", "--date", DAY, "--json")
    told = json.loads(out)
    assert (status, told["success"], told["top_anomalies"], len(told["phases"])) == (0, True, None, 4)
    assert "the store is away" in err


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
    assert started[0][1:] == ["-m", "dagster", "dev", "-w", str(WORKSPACE), "-p", "4000"]
    assert (
        (settings.cybersec_home / "dagster" / "dagster.yaml").read_text().startswith("telemetry:\n  enabled: false\n")
    )


def test_the_version_is_told(cybersec):
    """Whoever reports a fault can say of which version."""
    assert cybersec("--version") == (0, f"cybersec-assets {metadata.version('cybersec-assets')}\n", "")


@pytest.mark.usefixtures("in_environment")
def test_a_local_day_within_the_limit_is_a_note(cybersec, tmp_path):
    """A day in New York of which less than the limit is outside the UTC day is stored, with a note about its zone."""
    begin = dt.datetime(2026, 7, 2, 4, tzinfo=dt.UTC)
    times = [begin + dt.timedelta(days=1) * number / 300 for number in range(300)]
    rows = "".join(f"{time.isoformat()},10.0.0.1,10.0.0.2,5,1,tcp\n" for time in times)
    (tmp_path / "flows.csv").write_text("timestamp,src_ip,dst_ip,bytes,duration,protocol\n" + rows)
    status, out, _ = cybersec("run", "--date", "2026-07-02", "--flows-uri", f"{tmp_path}/flows.csv")
    assert status == 0
    note = "They look like a local day at UTC-04:00, 4 h behind UTC: set FLOWS_TIMEZONE to the time zone of the sensor"
    assert f"note      16.67% of the flows began outside of the day. {note}\n" in out
