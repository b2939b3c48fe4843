"""Zeek's connections as JSON: both spellings, other streams, and damaged lines."""

import datetime as dt
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.readers.zeek.json import TEXTS
from cybersec_assets_tests.support.flows.json_logs import CONN, DNS, conn, lines
from cybersec_assets_tests.support.flows.logs import examples, faults, only, read, write


@pytest.mark.parametrize("packed", [False, True])
def test_a_connection(log, packed):
    kept, rejected = log(CONN, packed=packed)
    assert rejected.height == 0
    assert only(kept) == {
        "timestamp": dt.datetime(2024, 4, 19, 0, 1, 0, 943239, tzinfo=dt.UTC),
        "src_ip": "10.0.0.1",
        "dst_ip": "2001:db8::1",
        "bytes": 30,
        "duration": 1.5,
        "protocol": "tcp",
        "uid": "CUM0KZ3MLUfNB0cl11",
        "src_port": 50_000,
        "dst_port": 443,
        "service": "ssl",
        "conn_state": "SF",
        "orig_bytes": 10,
        "resp_bytes": 20,
        "orig_packets": 3,
        "resp_packets": 4,
        "alerted": None,
        "label": None,
    }


def test_underscores_are_dots(log):
    underscored = {name.replace(".", "_"): value for name, value in CONN.items()}
    kept, _ = log(CONN, underscored)
    assert kept.row(0) == kept.row(1)


@pytest.mark.parametrize("ts", ["2024-04-19T00:01:00.943239Z", "2024-04-19T02:01:00.943239+02:00", 1713484860.943239])
def test_a_time_is_an_epoch_or_iso_8601(log, ts):
    kept, _ = log(conn(ts=ts))
    assert only(kept)["timestamp"] == dt.datetime(2024, 4, 19, 0, 1, 0, 943239, tzinfo=dt.UTC)


def test_missing_keys_are_null(log):
    kept, _ = log(conn(duration=None, orig_bytes=None, resp_bytes=None, service=None, id__orig_p=None))
    row = only(kept)
    assert {row[name] for name in ("duration", "bytes", "orig_bytes", "service", "src_port")} == {None}


@pytest.mark.parametrize("name", ["_path", "@stream"])
def test_only_connections_count(log, name):
    other = {name: "ssl", "ts": {"nested": [1]}, "service": ["a"], "id.orig_h": 3}
    kept, rejected = log(other, CONN | {name: "conn"}, DNS | {name: "dns"})
    assert (kept.height, rejected.height) == (1, 0)


def test_other_streams_without_a_name(log):
    kept, rejected = log(DNS, CONN, DNS)
    assert (kept.height, rejected.height) == (1, 0)


@pytest.mark.parametrize(
    ("record", "fault", "value"),
    [
        ('{"ts": 1, ', "JSON object", ""),
        ("no JSON at all", "JSON object", ""),
        ("[1, 2]", "JSON object", ""),
        ("null", "JSON object", ""),
        ('{"ts": 1}, {"ts": 2}', "JSON object", ""),
        ("[" * 3_000, "JSON object", ""),
        ('{"ts": NaN}', "JSON object", ""),
        ('{"ts": 1}\x01{"ts": 2}', "JSON object", ""),
        (conn(ts="yesterday"), "timestamp", "yesterday"),
        (conn(id__orig_h="not an address"), "src_ip", "not an address"),
        (conn(id__resp_h=None), "dst_ip", ""),
        (conn(proto=None), "protocol", ""),
        (conn(orig_bytes=2**63), "bytes", None),
        (conn(orig_bytes="many"), "orig_bytes", "many"),
        (conn(duration={"seconds": 1}), "duration", '{"seconds": 1}'),
        (conn(id__resp_p=2**40), "dst_port", str(2**40)),
    ],
)
def test_a_damaged_line_is_kept_with_its_fault(log, record, fault, value):
    kept, rejected = log(CONN, "", record, CONN)
    assert kept.height == 2
    ((line, found, told),) = faults(rejected)
    assert line == 3
    if value is not None:
        assert (found, told) == (fault, value)


SHORT = {name: value for name, value in CONN.items() if name in {"ts", "uid", "proto", "duration"} or "id." in name}
"""A connection of which a log filter removed the fields that only connections have."""
ADDED = {
    "sensor": "s1",
    "@timestamp": "2024-04-19T00:01:00Z",
    "@version": "1",
    "tags": ["zeek"],
    "host": {"name": "s1"},
    "type": "conn",
    "log_type": "zeek_conn",
    "event": {"dataset": "zeek.connection"},
    "node": "worker-1",
    "orig_mac": "00:00:00:00:00:01",
    "pcr": 0.5,
    "app": "web",
    "severity": "info",
}


@pytest.mark.parametrize("spelling", [".", "_"])
@pytest.mark.parametrize("name", [*ADDED, "a field that nobody knows"])
def test_a_field_that_a_shipper_adds(log, name, spelling):
    record = {key.replace(".", spelling): value for key, value in SHORT.items()} | {name: ADDED.get(name, 1)}
    for beside in ([], ["no JSON"]):
        kept, rejected = log(record, DNS, *beside)
        assert (kept.height, rejected.height) == (1, len(beside))


@pytest.mark.parametrize("name", ["ts", "id.orig_h", "id.resp_h", "proto"])
def test_a_damaged_connection_with_a_field_that_a_shipper_adds(log, name):
    damaged = {key: value for key, value in SHORT.items() if key != name} | {"sensor": "s1"}
    kept, rejected = log(CONN, damaged)
    assert (kept.height, [line for line, *_ in faults(rejected)]) == (1, [2])


HOSTS = {name: value for name, value in SHORT.items() if name not in {"proto", "duration"}}
OTHERS = [
    HOSTS | {"proto": "udp", "query": "example.org", "sensor": "s1"},
    HOSTS | {"proto": "udp", "rcode": 0},
    HOSTS | {"proto": "udp", "facility": "DAEMON", "severity": "INFO", "message": "started"},
    HOSTS | {"proto": "tcp", "note": "Scan::Port_Scan", "msg": "scanned"},
    HOSTS | {"proto": "tcp", "msg": "scanned", "sub": "x"},
    HOSTS | {"proto": "tcp", "analyzer": "SSL", "failure_reason": "invalid"},
    HOSTS | {"duration": 0.1, "version": "2c", "community": "public"},
    HOSTS | {"duration": 0.1, "version": "2c"},
    HOSTS | {"version": "TLSv12", "cipher": "x"},
    HOSTS | {"method": "GET", "uri": "/"},
    {"ts": 1, "duration": 0.1, "mac": "00:00:00:00:00:01", "msg_types": ["DISCOVER"]},
    {"ts": 1, "fuid": "F1", "source": "HTTP", "duration": 0.1, "seen_bytes": 9, "missed_bytes": 0, "timedout": False},
    HOSTS | {"fuid": "F1", "duration": 0.1, "local_orig": True, "seen_bytes": 9, "missed_bytes": 0},
    HOSTS | {"proto": "udp", "log_type": "dns"},
]


@pytest.mark.parametrize("record", OTHERS)
def test_fields_of_another_stream(log, record):
    """A record without a stream name is not a connection if it has a field of another stream."""
    for beside in ([], ["no JSON"]):
        kept, rejected = log(CONN, record, record, *beside)
        assert (kept.height, rejected.height) == (1, len(beside))


def test_two_lines_that_make_one_object(log):
    """Halves of an object on two lines are two errors, although together they would parse."""
    kept, rejected = log(CONN, '{"ts": 1', '"uid": 2}', CONN)
    assert (kept.height, [line for line, *_ in faults(rejected)]) == (2, [2, 3])


def test_a_line_with_two_objects_beside_halves(log):
    """Two objects on one line and halves on two would be three objects on three lines; each line is an error."""
    two = ", ".join([json.dumps(CONN)] * 2)
    kept, rejected = log(CONN, two, '{"ts": 1', '"uid": 2}', CONN)
    assert (kept.height, [line for line, *_ in faults(rejected)]) == (2, [2, 3, 4])


@pytest.mark.parametrize("history", ["ShADad", ["S"]])
def test_the_first_of_repeated_names_counts(log, history):
    """The first value counts, whether the line is decoded in a batch or by itself."""
    kept, _ = log(f'{{"uid": "first", {json.dumps(conn(uid="second", history=history))[1:]}')
    assert only(kept)["uid"] == "first"


@pytest.mark.parametrize("name", ["fe80::1%eth0", "fe80::1%en-0.1", "::ffff:10.0.0.1"])
def test_an_address_may_have_a_zone(log, name):
    kept, _ = log(conn(id__orig_h=name))
    assert only(kept)["src_ip"] == name


def test_invalid_utf8_does_not_stop_the_file(tmp_path):
    kept, rejected = read(
        write(tmp_path / "log", lines(CONN).encode().replace(b"ssl", b"s\xffl") + lines(CONN).encode())
    )
    assert (kept["service"].to_list(), rejected.height) == (["s\ufffdl", "ssl"], 0)


def test_a_file_of_another_stream_is_named(log, tmp_path):
    with pytest.raises(UnreadableLogError, match=f"{tmp_path}/log is not a flow log of a known format"):
        log(DNS, DNS)


volumes = st.none() | st.integers(0, 2**62 - 1)
connections = st.fixed_dictionaries(
    {
        "ts": st.integers(0, 2**32 * 10**6).map(lambda n: n / 10**6),
        "id.orig_h": st.ip_addresses().map(str),
        "proto": st.sampled_from(["tcp", "udp", "icmp"]),
        "duration": st.none() | st.floats(0, 1e9),
        "orig_bytes": volumes,
        "resp_bytes": volumes,
        "uid": st.text(max_size=9),
    }
)
junk = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text.strip(" \t\ufeff") and not text.lstrip(" \t\ufeff").startswith("{")
)


@examples
@given(records=st.lists(connections | junk, max_size=20))
def test_what_is_written_is_read(tmp_path_factory, records):
    """Records are read back with their values, and every other line is counted."""
    log = tmp_path_factory.mktemp("json") / "log"
    kept, rejected = read(write(log, lines(CONN, *(r if isinstance(r, str) else CONN | r for r in records))))
    written = [CONN, *(CONN | record for record in records if isinstance(record, dict))]
    assert kept["uid"].to_list() == [record["uid"] for record in written]
    assert kept["orig_bytes"].to_list() == [record["orig_bytes"] for record in written]
    assert kept["duration"].to_list() == [record["duration"] for record in written]
    assert kept["timestamp"].to_physical().to_list() == [round(record["ts"] * 10**6) for record in written]
    assert [line for line, *_ in faults(rejected)] == [n for n, r in enumerate(records, 2) if isinstance(r, str)]


def test_every_value_is_read_as_text():
    """Every value is read as text, so that an error can show it."""
    assert set(TEXTS.values()) == {pl.String()}
