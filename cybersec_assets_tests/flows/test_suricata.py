"""Suricata's flow events, among all else that it tells."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets_tests.flows.json_logs import EVENT, event, lines
from cybersec_assets_tests.flows.logs import examples, faults, only, read, write

ALERT = {"event_type": "alert", "src_ip": "10.0.0.1", "flow": {"start": 3}, "alert": {"severity": 2}}


@pytest.mark.parametrize("packed", [False, True])
def test_a_flow(log, packed):
    """Each value of a flow comes to its column; its times are UTC, its duration is from packet to packet."""
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
    """What Suricata says of a flow's alerts is kept."""
    kept, _ = log(event(alerted=True), event(alerted=None))
    assert kept["alerted"].to_list() == [True, None]


def test_no_protocol_was_detected(log):
    """`failed` is no service."""
    kept, _ = log(event(app_proto="failed"), event(app_proto=None))
    assert kept["service"].to_list() == [None, None]


def test_other_events_are_passed_over(log):
    """Alerts, statistics and what has no type are neither flows nor damage."""
    kept, rejected = log(ALERT, EVENT, {"event_type": "stats", "flow": 3, "proto": [1]}, {})
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
        (event(bytes_toclient=2**63), "resp_bytes", str(2**63)),
        (event(dest_port="https"), "dst_port", "https"),
        (event(alerted="perhaps"), "alerted", "perhaps"),
    ],
)
def test_a_damaged_line_is_kept_with_its_fault(log, record, fault, value):
    """A flow that does not parse is told by its line, its column and its value; those around it are read."""
    kept, rejected = log(EVENT, record, EVENT)
    assert (kept.height, faults(rejected)) == (2, [(2, fault, value)])


def test_a_file_without_flows_is_named(log, tmp_path):
    """Events of other kinds alone make no flow log."""
    with pytest.raises(UnreadableLogError, match=f"{tmp_path}/log is no flow log of a known kind"):
        log(ALERT, ALERT)


counts = st.integers(0, 2**62 - 1)
flows = st.fixed_dictionaries({"bytes_toserver": counts, "bytes_toclient": counts, "pkts_toserver": counts})


@examples
@given(records=st.lists(flows | st.just(ALERT) | st.sampled_from(["{", "]", "true"]), max_size=20))
def test_what_is_written_is_read(tmp_path_factory, records):
    """Flows come back with their counts, alerts are passed over, and what is no object is counted."""
    log = tmp_path_factory.mktemp("eve") / "log"
    written = [r if isinstance(r, str) or r is ALERT else event(**r) for r in records]
    kept, rejected = read(write(log, lines(EVENT, *written)))
    told = [r for r in records if isinstance(r, dict) and r is not ALERT]
    assert kept["orig_bytes"].to_list()[1:] == [r["bytes_toserver"] for r in told]
    assert kept["bytes"].to_list()[1:] == [r["bytes_toserver"] + r["bytes_toclient"] for r in told]
    assert [line for line, *_ in faults(rejected)] == [n for n, r in enumerate(records, 2) if isinstance(r, str)]
