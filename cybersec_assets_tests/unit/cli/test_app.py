"""The command line prints tables, or JSON with `--json`."""

import datetime as dt
import json
from importlib import metadata

import pytest

from cybersec_assets.errors import StoreError
from cybersec_assets.operations.run_day import WORKSPACE
from cybersec_assets_tests.conftest import DAY

pytestmark = pytest.mark.usefixtures("in_environment")

PHASES = ["raw/network_events", "silver/network_events", "gold/isolation_forest", "gold/evaluation"]


def test_the_results_of_a_run_are_shown(cybersec):
    status, out, _ = cybersec("run", "--date", DAY)
    assert status == 0
    for phase in PHASES:
        assert phase in out
    assert "flows     synthetic, as FLOWS_URI is not set" in out
    for word in ("anomaly_rate", "auroc", "most anomalous flows", "cybersec ui", "store", "database"):
        assert word in out


def test_the_results_of_a_run_are_one_json_document(cybersec):
    status, out, _ = cybersec("run", "--date", DAY, "--json")
    document = json.loads(out)
    assert (status, document["success"], document["date"], document["errors"]) == (0, True, DAY, [])
    assert [phase["asset"] for phase in document["phases"]] == PHASES
    assert len(document["top_anomalies"]) == 10
    assert document["top_anomalies"][0]["anomaly_score"] >= document["top_anomalies"][9]["anomaly_score"]
    assert document["metrics"]["flows"] == 3_000


def test_the_audit_can_be_queried_after_a_run(cybersec):
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
    assert "Unusual results: none in " in cybersec("audit", "anomalies")[1]
    assert model in cybersec("audit", "lineage", model)[1]


def test_a_run_succeeds_although_its_flows_cannot_be_shown(cybersec, monkeypatch):

    def refuse(*_):
        raise StoreError("the store cannot be reached", "Start it")

    monkeypatch.setattr("cybersec_assets.cli.run.fetch_object", refuse)
    status, out, err = cybersec("run", "--date", DAY, "--json")
    document = json.loads(out)
    assert (status, document["success"], document["top_anomalies"], len(document["phases"])) == (0, True, None, 4)
    assert "the store cannot be reached" in err


def test_the_quality_limits_are_options(cybersec, tmp_path):
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


def test_dropped_data_is_reported_in_notes(cybersec, tmp_path):
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


def test_the_format_synthetic_is_reported_despite_a_uri(cybersec):
    out = cybersec("run", "--date", DAY, "--flows-uri", "/nowhere", "--flows-format", "synthetic", "--json")[1]
    assert json.loads(out)["flows"] == "synthetic, as FLOWS_FORMAT is synthetic"


@pytest.mark.parametrize("given", ["option", "variable"])
def test_a_labelled_file_without_a_header_is_mapped(cybersec, tmp_path, monkeypatch, given):
    rows = [f"{n % 7},tcp,{n},{n * n},{'attack' if n % 50 == 0 else 'normal'}\n" for n in range(300)]
    (tmp_path / "set.txt").write_text("".join(rows))
    columns = f"timestamp='{DAY}',src_ip='0.0.0.0',dst_ip='0.0.0.0',duration=#1,protocol=#2,bytes=#3+#4,label=#5"
    options = ["--flows-columns", columns] if given == "option" else []
    if given == "variable":
        monkeypatch.setenv("FLOWS_COLUMNS", columns)
    status, out, _ = cybersec("run", "--date", DAY, "--flows-uri", f"{tmp_path}/set.txt", *options, "--json")
    document = json.loads(out)
    assert (status, document["errors"], document["metrics"]["flows"]) == (0, [], 300)
    assert "auroc" in document["metrics"]


def test_a_long_line_is_not_wrapped(cybersec):
    cybersec("run", "--date", DAY, "--json")
    model = json.loads(cybersec("audit", "records", "--json")[1])[2]["uri"]
    assert model in cybersec("audit", "lineage", model)[1]


def test_the_ui_is_dagster_dev_with_the_instance_of_the_runs(cybersec, settings, monkeypatch):
    started = []
    monkeypatch.setattr("os.execv", lambda _, command: started.append(command))
    assert cybersec("ui", "--port", "4000")[0] == 0
    assert started[0][1:] == ["-m", "dagster", "dev", "-w", str(WORKSPACE), "-p", "4000"]
    assert (settings.home / "dagster" / "dagster.yaml").read_text().startswith("telemetry:\n  enabled: false\n")


def test_the_version_is_shown(cybersec):
    assert cybersec("--version") == (0, f"cybersec-assets {metadata.version('cybersec-assets')}\n", "")


@pytest.mark.usefixtures("in_environment")
def test_a_local_day_within_the_limit_is_a_note(cybersec, tmp_path):
    """A local day of New York is partly outside of the UTC day. The note names the time zone."""
    begin = dt.datetime(2026, 7, 2, 4, tzinfo=dt.UTC)
    times = [begin + dt.timedelta(days=1) * number / 300 for number in range(300)]
    rows = "".join(f"{time.isoformat()},10.0.0.1,10.0.0.2,5,1,tcp\n" for time in times)
    (tmp_path / "flows.csv").write_text("timestamp,src_ip,dst_ip,bytes,duration,protocol\n" + rows)
    status, out, _ = cybersec("run", "--date", "2026-07-02", "--flows-uri", f"{tmp_path}/flows.csv")
    assert status == 0
    note = "They look like a local day at UTC-04:00, 4 h behind UTC: set FLOWS_TIMEZONE to the time zone of the sensor"
    assert f"note      16.67% of the flows began outside of the day. {note}\n" in out
