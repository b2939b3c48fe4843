"""Real logs, against what plain Python counts in them."""

import datetime as dt
import gzip
import json
import math

import polars as pl
import pytest

from cybersec_assets.flows.clean import count_repeats
from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.quality import raw_findings
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.flows.logs import read

ROWS = {"2024-04-19": 31_367, "2024-04-20": 39_073, "2024-04-21": 35_478}


@pytest.fixture(scope="module")
def days(shared_data, tmp_path_factory):
    """The three days' raw layers."""
    folder, files = tmp_path_factory.mktemp("days"), {}
    for day in ROWS:
        files[day] = folder / f"{day}.parquet"
        uri = f"{shared_data}/zeek-hourly/three-days/{{date}}/conn.*.log.gz"
        logs = FlowSource(uri).logs_of(dt.date.fromisoformat(day), folder / f"logs of {day}")
        assert len(logs.files) == 24
        assert ingest(logs, files[day], folder / "rejected.parquet").rejected == 0
    return files


def count(path):
    """Read a Zeek log with nothing but Python: its rows as dictionaries."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            if line.startswith("#fields"):
                fields = line.rstrip("\n").split("\t")[1:]
            elif not line.startswith("#"):
                yield dict(zip(fields, line.rstrip("\n").split("\t"), strict=True))


def number(text):
    """Give a Zeek field's number, 0 where it is unset."""
    return 0 if text == "-" else float(text)


@pytest.mark.parametrize("day", ROWS)
def test_a_day_is_what_plain_python_counts(days, shared_data, day):
    """Rows, bytes, durations, times and unset values of a day are those that an independent reader finds."""
    logs = sorted((shared_data / "zeek-hourly/three-days" / day).glob("conn.*.log.gz"))
    rows, flows = [row for log in logs for row in count(log)], pl.read_parquet(days[day])
    assert flows.height == len(rows) == ROWS[day]
    assert flows["uid"].to_list() == [row["uid"] for row in rows]
    assert flows["bytes"].sum() == sum(number(row["orig_bytes"]) + number(row["resp_bytes"]) for row in rows)
    assert math.fsum(flows["duration"].drop_nulls()) == math.fsum(number(row["duration"]) for row in rows)
    assert flows["timestamp"].to_physical().to_list() == [int(row["ts"].replace(".", "")) for row in rows]
    assert flows["duration"].null_count() == sum(row["duration"] == "-" for row in rows)


def test_unset_volumes_stay_unset(days):
    """The 3,826 flows whose volumes the sensor left unset are null in raw, in both columns."""
    flows = pl.scan_parquet(list(days.values())).select(pl.col("bytes", "duration").null_count()).collect()
    assert flows.row(0) == (3_826, 3_826)


@pytest.mark.parametrize("day", ROWS)
def test_a_real_day_keeps_every_rule(days, day):
    """Flows that began the day before are few enough, and no other rule breaks."""
    findings = raw_findings(days[day], dt.date.fromisoformat(day), 0.2)
    assert [finding.rule for finding in findings if not finding.holds] == []


def test_a_log_delivered_twice_is_seen(days):
    """A day read twice has as many repeats as records."""
    once = pl.scan_parquet(days["2024-04-19"])
    repeats = count_repeats(once)
    assert count_repeats(pl.concat([once, once])) == ROWS["2024-04-19"] + repeats


def read_all(path):
    """Read a whole log of which every line parses."""
    kept, rejected = read(path)
    assert rejected.is_empty()
    return kept


def test_real_labels_are_read(shared_data):
    """Malicious is true, Benign is false, Background is null, each as often as the log has it."""
    flows = read_all(shared_data / "labelled/zeek-conn-008.log.labeled")
    assert dict(flows["label"].value_counts().rows()) == {True: 4_201, False: 1_402, None: 60}
    assert flows.height == 5_663


def test_a_stock_log_is_read(shared_data):
    """Zeek's own example has 360 connections, with the bytes that plain Python counts."""
    path = shared_data / "zat-zeek/conn.log"
    flows = read_all(path)
    assert flows.height == 360
    assert flows["bytes"].sum() == sum(number(row["orig_bytes"]) + number(row["resp_bytes"]) for row in count(path))


JSON_LOGS = {
    "zeek-json/conn.log": 479,
    "zeek-json/mixed-streams.log": 613,
    "zat-zeek/json/conn.log": 50,
    "zeek-hourly/json_with_all_fields/conn.log": 29,
}


@pytest.mark.parametrize("name", JSON_LOGS)
def test_zeek_json_is_what_plain_python_counts(shared_data, name):
    """Rows, volumes, durations and times of a JSON log are those that Python's own parser finds."""
    records = [json.loads(line) for line in (shared_data / name).read_text().splitlines()]
    rows = [row for row in records if row.get("@stream", "conn") == "conn"]
    flows, rejected = read(shared_data / name)
    assert (flows.height, rejected.height) == (len(rows), 0) == (JSON_LOGS[name], 0)
    assert flows["uid"].to_list() == [row["uid"] for row in rows]
    assert flows["bytes"].sum() == sum(row.get("orig_bytes", 0) + row.get("resp_bytes", 0) for row in rows)
    assert math.fsum(flows["duration"].drop_nulls()) == math.fsum(row.get("duration", 0) for row in rows)
    assert flows["orig_packets"].sum() == sum(row["orig_pkts"] for row in rows)


def test_suricata_is_what_plain_python_counts(shared_data):
    """Flows, volumes, durations and alerts of an event log are those that Python's own parser finds."""
    events = [json.loads(line) for line in (shared_data / "suricata/eve.json").read_text().splitlines()]
    rows = [event["flow"] | {"id": event["flow_id"]} for event in events if event["event_type"] == "flow"]
    flows, rejected = read(shared_data / "suricata/eve.json")
    assert (flows.height, rejected.height) == (len(rows), 0) == (3_512, 0)
    assert flows["uid"].to_list() == [str(row["id"]) for row in rows]
    assert flows["bytes"].sum() == sum(row["bytes_toserver"] + row["bytes_toclient"] for row in rows)
    assert flows["alerted"].sum() == sum(row["alerted"] for row in rows)
    lasted = [dt.datetime.fromisoformat(row["end"]) - dt.datetime.fromisoformat(row["start"]) for row in rows]
    assert flows["duration"].to_list() == [time.total_seconds() for time in lasted]
