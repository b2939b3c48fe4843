"""Suricata's flow events, among events of other types."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets_tests.support.flows.json_logs import ALERT, EVENT, event, lines
from cybersec_assets_tests.support.flows.logs import examples, faults, only, read, write

OTHER = {"event_type": "http", "src_ip": "10.0.0.1", "flow": {"start": 3}, "http": {"status": 200}}


@pytest.mark.parametrize("packed", [False, True])
def test_a_flow(log, packed):
    kept, rejected = log(EVENT, packed=packed)
    assert rejected.height == 0
    assert only(kept) == {
        "timestamp": dt.datetime(2024, 4, 19, 10, 0, 1, 1, tzinfo=dt.UTC),
        "src_ip": "10.0.0.1",
        "dst_ip": "2001:db8::1",
        "bytes": 30,
        "duration": 1.5,
        "protocol": "tcp",
        "uid": "445348883402532",
        "src_port": 50_000,
        "dst_port": 443,
        "service": "tls",
        "conn_state": "closed",
        "orig_bytes": 10,
        "resp_bytes": 20,
        "orig_packets": 3,
        "resp_packets": 4,
        "alerted": False,
        "label": None,
    }


def test_a_flow_that_matched_a_signature(log):
    kept, _ = log(event(alerted=True), event(alerted=None))
    assert kept["alerted"].to_list() == [True, None]


def test_no_protocol_was_detected(log):
    kept, _ = log(event(app_proto="failed"), event(app_proto=None))
    assert kept["service"].to_list() == [None, None]


def test_other_events_are_skipped(log):
    """Events of other types, or without a type, are neither flows nor damage."""
    kept, rejected = log(OTHER, EVENT, {"event_type": "stats", "flow": 3, "proto": [1]}, {})
    assert (kept.height, rejected.height) == (1, 0)


@pytest.mark.parametrize(
    ("record", "fault", "value"),
    [
        ('{"event_type": "flow", ', "JSON object", ""),
        ("3", "JSON object", ""),
        ({"event_type": "flow"}, "timestamp", ""),
        (EVENT | {"flow": 3}, "timestamp", ""),
        (event(start="soon"), "timestamp", "soon"),
        (event(end="later"), "duration", "later"),
        (event(src_ip=None), "src_ip", ""),
        (event(dest_ip="a b"), "dst_ip", "a b"),
        (event(src_ip="300.1.1.1"), "src_ip", "300.1.1.1"),
        (event(bytes_toclient=2**63), "resp_bytes", str(2**63)),
        (event(dest_port="https"), "dst_port", "https"),
        (event(alerted="perhaps"), "alerted", "perhaps"),
    ],
)
def test_a_damaged_line_is_kept_with_its_fault(log, record, fault, value):
    kept, rejected = log(EVENT, record, EVENT)
    assert (kept.height, faults(rejected)) == (2, [(2, fault, value)])


def test_a_file_without_flows(log):
    """Thousands of other events may come before the first flow, so a log of other events is still an event log."""
    kept, rejected = log(ALERT, ALERT)
    assert (kept.height, rejected.height) == (0, 0)


def test_objects_that_are_not_events_are_rejected(log, tmp_path):
    with pytest.raises(UnreadableLogError, match=f"{tmp_path}/log is not a flow log of a known format"):
        log({"level": "info"}, {"timestamp": 3})


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_an_alert_in_another_file(tmp_path, order):
    """An alert event marks its flow as alerted, whatever the flow event says and whichever file comes first."""
    write(tmp_path / order[0], lines(ALERT, ALERT | {"flow_id": 3}, {"event_type": "alert"}))
    write(tmp_path / order[1], lines(EVENT, event(flow_id=4), event(flow_id=5, alerted=True)))
    kept, rejected = read(tmp_path / "*")
    assert kept.select("uid", "alerted").rows() == [(str(EVENT["flow_id"]), True), ("4", False), ("5", True)]
    assert rejected.height == 0


def test_an_alert_in_a_text(log):
    """Text that an attacker sends may look like an alert event; it refers to no flow."""
    sent = json.dumps({"event_type": "alert", "flow_id": EVENT["flow_id"]})
    kept, _ = log(EVENT, OTHER | {"http": {"url": sent}}, OTHER | {"event_type": "dns", "dns": {"rrname": '"alert"'}})
    assert only(kept)["alerted"] is False


def test_an_alert_beside_damage(log):
    """The complete path joins alerts, too."""
    kept, rejected = log(EVENT, "{", ALERT, event(flow_id=4))
    assert kept["alerted"].to_list() == [True, False]
    assert rejected.height == 1


@pytest.mark.parametrize(
    "line", ["\x01", "\x01 ", "{}\x01", json.dumps(EVENT) + "\x01", json.dumps(EVENT) + "\x01\x01"]
)
def test_the_sentinel_is_not_a_separator(log, line):
    kept, rejected = log(EVENT, line, EVENT)
    assert (kept.height, faults(rejected)) == (2, [(2, "JSON object", "")])


counts = st.integers(0, 2**62 - 1)
flows = st.fixed_dictionaries({"bytes_toserver": counts, "bytes_toclient": counts, "pkts_toserver": counts})


@examples
@given(records=st.lists(flows | st.just(OTHER) | st.sampled_from(["{", "]", "true"]), max_size=20))
def test_what_is_written_is_read(tmp_path_factory, records):
    """Records are read back with their values, and every other line is counted."""
    log = tmp_path_factory.mktemp("eve") / "log"
    written = [r if isinstance(r, str) or r is OTHER else event(**r) for r in records]
    kept, rejected = read(write(log, lines(EVENT, *written)))
    told = [r for r in records if isinstance(r, dict) and r is not OTHER]
    assert kept["orig_bytes"].to_list()[1:] == [r["bytes_toserver"] for r in told]
    assert kept["bytes"].to_list()[1:] == [r["bytes_toserver"] + r["bytes_toclient"] for r in told]
    assert [line for line, *_ in faults(rejected)] == [n for n, r in enumerate(records, 2) if isinstance(r, str)]
