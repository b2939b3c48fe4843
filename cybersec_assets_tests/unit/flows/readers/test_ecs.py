"""Flows in the Elastic Common Schema, as Filebeat's modules write them."""

import datetime as dt
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.json_logs import ECS_CONN as ZEEK
from cybersec_assets_tests.support.flows.json_logs import ECS_FLOW as SURICATA
from cybersec_assets_tests.support.flows.json_logs import lines
from cybersec_assets_tests.support.flows.logs import examples, faults, find, only, read, write


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "ecs.json"


def changed(record, **values):
    """Return a record with some fields changed; `__` separates levels, None removes a field."""
    copy = json.loads(json.dumps(record))
    for path, value in values.items():
        *levels, name = path.split("__")
        place = copy
        for level in levels:
            place = place[level]
        if value is None:
            del place[name]
        else:
            place[name] = value
    return copy


def test_a_connection_of_zeek_becomes_a_record(log):
    kept, rejected = read(write(log, lines(ZEEK)))
    assert rejected.is_empty()
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": dt.datetime(2024, 4, 19, 0, 1, 0, 943_000, tzinfo=dt.UTC),
        "src_ip": "10.0.0.1",
        "src_port": 50_000,
        "dst_ip": "2001:db8::1",
        "dst_port": 443,
        "protocol": "tcp",
        "service": "ssl",
        "duration": 1.5,
        "bytes": 30,
        "orig_bytes": 10,
        "resp_bytes": 20,
        "orig_packets": 3,
        "resp_packets": 4,
        "conn_state": "SF",
        "uid": "CUM0KZ3MLUfNB0cl11",
    }


def test_a_flow_of_suricata_becomes_a_record(log):
    alert = changed(SURICATA, suricata__eve__event_type="alert")
    kept, rejected = read(write(log, lines(alert, SURICATA)))
    assert rejected.is_empty()
    flow = only(kept)
    assert (flow["timestamp"], flow["duration"]) == (dt.datetime(2024, 4, 19, 10, 0, 1, 1, tzinfo=dt.UTC), 1.5)
    assert (flow["bytes"], flow["uid"], flow["conn_state"], flow["alerted"]) == (30, "7", "closed", True)


def flat(value, name, levels):
    """Return an object with some of its levels flattened to dots."""
    found = {}
    for key, inner in value.items():
        path = f"{name}.{key}" if name else key
        if isinstance(inner, dict):
            deeper = flat(inner, "", levels)
            found |= {f"{key}.{end}": last for end, last in deeper.items()} if key in levels else {key: deeper}
        else:
            found[path] = inner
    return found


@examples
@given(
    st.sampled_from([ZEEK, SURICATA]),
    st.sets(st.sampled_from(["event", "source", "destination", "network", "zeek", "connection", "suricata", "eve"])),
    st.sampled_from([lambda text: text, "<13>Jan  1 00:00:00 fw filebeat: {}".format, '{{"_source": {}}}'.format]),
)
def test_levels_may_be_dots(record, levels, wrap):
    """Elasticsearch treats nested fields and dotted names alike; documents mix both, also in other wrappers."""
    with tempfile.TemporaryDirectory() as folder:
        expected, _ = read(write(Path(folder) / "a.json", lines(record)))
        kept, rejected = read(write(Path(folder) / "b.json", wrap(json.dumps(flat(record, "", levels)))))
    assert kept.equals(expected)
    assert rejected.is_empty()


def test_a_field_may_be_missing(log):
    total = changed(ZEEK, source__bytes=None, destination__bytes=None)
    sides = changed(ZEEK, network__bytes=None, source__ip=None, event__duration=None)
    kept, rejected = read(write(log, lines(total, sides)))
    assert rejected.is_empty()
    assert kept.select("bytes", "orig_bytes").rows() == [(30, None), (30, 10)]
    assert kept.select("src_ip", "duration").rows() == [("10.0.0.1", 1.5), ("10.0.0.1", None)]


@pytest.mark.parametrize(
    ("values", "column", "value"),
    [
        ({"source__ip": "fw", "source__address": "fw"}, "src_ip", "fw"),
        ({"destination__ip": None, "destination__address": None}, "dst_ip", ""),
        ({"network__bytes": -1}, "bytes", "-1"),
        ({"event__duration": "long"}, "duration", "long"),
        ({"network__transport": None}, "protocol", ""),
        ({"source__port": 70_000}, "src_port", "70000"),
        ({"@timestamp": "soon"}, "timestamp", "soon"),
    ],
)
def test_a_value_that_does_not_parse_is_an_error(log, values, column, value):
    _, rejected = read(write(log, lines(ZEEK, changed(ZEEK, **values))))
    assert faults(rejected) == [(2, column, value)]


def test_the_original_record_is_preferred(log):
    """If the shipper kept the sensor's own record, that is read: it has more digits, and the bytes of the payload."""
    own = {"ts": 1_713_484_860.943239, "uid": "own", "id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2", "proto": "tcp"}
    own |= {"conn_state": "SF", "duration": 0.000_001, "orig_bytes": 1, "resp_bytes": 2}
    kept, rejected = read(write(log, lines(changed(ZEEK, event__original=json.dumps(own)))))
    assert rejected.is_empty()
    assert (only(kept)["uid"], only(kept)["bytes"], only(kept)["duration"]) == ("own", 3, 0.000_001)


def test_other_events_are_skipped(log):
    """Events of other types, or without a type, are neither flows nor damage."""
    query = changed(ZEEK, event__dataset="zeek.dns", network__bytes=None, source__bytes=None, destination__bytes=None)
    kept, rejected = read(write(log, lines(query, ZEEK)))
    assert (kept.height, rejected.height) == (1, 0)
    assert find(log).parts[0].files[0].original is not None
