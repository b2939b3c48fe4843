"""Real JSON logs, compared with what plain Python reads."""

import datetime as dt
import json
import math

import pytest

from cybersec_assets_tests.support.flows.logs import faults, read

ZEEK = {
    "zeek-json/conn.log": 479,
    "zeek-json/mixed-streams.log": 613,
    "zat-zeek/json/conn.log": 50,
    "zeek-hourly/json_with_all_fields/conn.log": 29,
    "zeek-hourly/json_with_all_fields/open_conn.log": 59,
}

CUT = "zeek-hourly/truncated/conn_json.log"
SURICATA = "suricata/eve.json"


def records(path):
    """Return the objects of a file, and the numbers of the lines that are not objects."""
    found = []
    broken = []
    for number, line in enumerate(path.read_bytes().decode().split("\n"), 1):
        try:
            found += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError:
            broken.append(number)
    return found, broken


def agree(flows, rows):
    """Compare columns with records of conn, value by value and as sums."""
    epoch = [round(row["ts"] * 1_000_000) for row in rows]
    assert flows["timestamp"].to_physical().to_list() == epoch
    for name, own in {"uid": "uid", "service": "service", "conn_state": "conn_state", "protocol": "proto"}.items():
        assert flows[name].to_list() == [row.get(own) for row in rows], name
    for name, own in {"src_ip": "id.orig_h", "dst_ip": "id.resp_h", "src_port": "id.orig_p"}.items():
        assert flows[name].to_list() == [row.get(own, row.get(own.replace(".", "_"))) for row in rows], name
    for name, own in {"orig_packets": "orig_pkts", "resp_packets": "resp_pkts"}.items():
        assert flows[name].to_list() == [row.get(own) for row in rows], name
    assert flows["bytes"].sum() == sum(row.get("orig_bytes", 0) + row.get("resp_bytes", 0) for row in rows)
    assert math.fsum(flows["duration"].drop_nulls()) == math.fsum(row.get("duration", 0) for row in rows)


@pytest.mark.parametrize("name", ZEEK)
def test_zeek(shared_data, name):
    rows, broken = records(shared_data / name)
    rows = [row for row in rows if row.get("@stream", "conn") == "conn"]
    flows, rejected = read(shared_data / name)
    assert (flows.height, rejected.height, broken) == (len(rows), 0, []) == (ZEEK[name], 0, [])
    agree(flows, rows)


def test_a_truncated_log_rejects_its_last_line(shared_data):
    """The truncated last line and the flow before it, which has an invalid port, are rejected; the others are read."""
    path = shared_data / CUT
    (*rows, odd), broken = records(path)
    flows, rejected = read(path)
    assert faults(rejected) == [(3, "src_port", str(odd["id.orig_p"])), (*broken, "JSON object", "")]
    assert flows.height == 2
    agree(flows, rows)


def test_suricata(shared_data):
    path = shared_data / SURICATA
    events, broken = records(path)
    rows = [event for event in events if event["event_type"] == "flow"]
    alerted = {event["flow_id"] for event in events if event["event_type"] == "alert"}
    flows, rejected = read(path)
    assert (flows.height, rejected.height, broken) == (len(rows), 0, []) == (3_512, 0, [])
    assert flows["uid"].to_list() == [str(row["flow_id"]) for row in rows]
    assert flows["src_ip"].to_list() == [row["src_ip"] for row in rows]
    assert flows["dst_port"].to_list() == [row.get("dest_port") for row in rows]
    for way, name in (("toserver", "orig"), ("toclient", "resp")):
        assert flows[f"{name}_bytes"].to_list() == [row["flow"][f"bytes_{way}"] for row in rows]
        assert flows[f"{name}_packets"].to_list() == [row["flow"][f"pkts_{way}"] for row in rows]
    assert flows["bytes"].sum() == sum(row["flow"][f"bytes_{way}"] for row in rows for way in ("toserver", "toclient"))
    assert flows["alerted"].to_list() == [row["flow"]["alerted"] or row["flow_id"] in alerted for row in rows]
    times = [[dt.datetime.fromisoformat(row["flow"][name]) for name in ("start", "end")] for row in rows]
    assert flows["timestamp"].to_list() == [start for start, _ in times]
    assert flows["duration"].to_list() == [(end - start).total_seconds() for start, end in times]
