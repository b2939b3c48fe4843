"""Suricata's netflow events: each has one direction, and two make a flow."""

import datetime as dt

import pytest

from cybersec_assets_tests.support.flows.json_logs import ALERT, BACK, EVENT, THERE, event, lines
from cybersec_assets_tests.support.flows.logs import faults, only, read, write


def test_two_events_are_a_flow(log):
    kept, rejected = log(THERE, BACK)
    assert rejected.height == 0
    assert only(kept) == {
        "timestamp": dt.datetime(2024, 4, 19, 10, 0, 1, 1, tzinfo=dt.UTC),
        "src_ip": "10.0.0.1",
        "dst_ip": "10.0.0.2",
        "bytes": 30,
        "duration": 1.5,
        "protocol": "tcp",
        "uid": "7",
        "src_port": 50_000,
        "dst_port": 443,
        "service": "tls",
        "conn_state": None,
        "orig_bytes": 10,
        "resp_bytes": 20,
        "orig_packets": 3,
        "resp_packets": 4,
        "alerted": None,
        "label": None,
    }


def test_a_flow_without_a_response(log):
    kept, _ = log(THERE)
    row = only(kept)
    assert (row["bytes"], row["orig_bytes"], row["resp_bytes"], row["resp_packets"]) == (10, 10, None, None)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_first_event_is_the_originators(tmp_path, order):
    """Events in two files are joined; the event written first is the originator's, whichever file comes first."""
    for name, record in zip(order, (THERE, BACK), strict=True):
        write(tmp_path / name, lines(record))
    kept, _ = read(tmp_path / "*")
    assert (only(kept)["src_ip"], only(kept)["orig_bytes"], only(kept)["resp_bytes"]) == ("10.0.0.1", 10, 20)


def test_flows_that_share_an_id(log):
    later = {"start": "2024-04-19T18:00:00+0200", "end": "2024-04-19T18:00:01+0200"}
    again = [record | {"netflow": record["netflow"] | later} for record in (THERE, BACK)]
    kept, _ = log(THERE, BACK, *again)
    assert kept["bytes"].to_list() == [30, 30]


def test_events_without_an_id(log):
    kept, _ = log(*({name: value for name, value in r.items() if name != "flow_id"} for r in (THERE, BACK)))
    assert kept["bytes"].to_list() == [10, 20]


def test_a_log_that_was_delivered_twice(log):
    kept, _ = log(THERE, BACK, THERE, BACK)
    assert kept.rows() == [kept.row(0)] * 2
    assert kept["bytes"].to_list() == [30, 30]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_flow_that_has_a_flow_event_is_not_counted_again(tmp_path, order):
    write(tmp_path / order[0], lines(THERE, BACK, THERE | {"flow_id": 8}))
    write(tmp_path / order[1], lines(event(flow_id=7, bytes_toserver=1)))
    kept, rejected = read(tmp_path / "*")
    assert sorted(kept.select("uid", "orig_bytes").rows()) == [("7", 1), ("8", 10)]
    assert rejected.height == 0


def test_alerts(log):
    """An alert event marks its flow as alerted; if there are any, the other flows are known not to be."""
    kept, _ = log(THERE, BACK, ALERT | {"flow_id": 7}, THERE | {"flow_id": 8})
    assert dict(kept.select("uid", "alerted").rows()) == {"7": True, "8": False}


def test_a_damaged_event_is_not_joined(log):
    damaged = BACK | {"netflow": BACK["netflow"] | {"bytes": "many"}}
    kept, rejected = log(EVENT, THERE, damaged)
    assert kept["bytes"].to_list() == [30, 10]
    assert faults(rejected) == [(3, "bytes", "many")]


def test_an_overflowing_sum_is_an_error(log):
    """If the sum of both directions overflows, it is an error and not a wrong number."""
    huge = [record | {"netflow": record["netflow"] | {"bytes": 2**62}} for record in (THERE, BACK)]
    kept, rejected = log(EVENT, *huge)
    assert (kept.height, faults(rejected)) == (1, [(line, "bytes", f"{2**62}+{2**62}") for line in (2, 3)])
