"""JSON logs for the tests, written with Python's `json`."""

import json

from cybersec_assets_tests.support.flows.logs import MIDNIGHT

CONN = {
    "ts": MIDNIGHT + 60.943239,
    "uid": "CUM0KZ3MLUfNB0cl11",
    "id.orig_h": "10.0.0.1",
    "id.orig_p": 50_000,
    "id.resp_h": "2001:db8::1",
    "id.resp_p": 443,
    "proto": "tcp",
    "service": "ssl",
    "duration": 1.5,
    "orig_bytes": 10,
    "resp_bytes": 20,
    "conn_state": "SF",
    "orig_pkts": 3,
    "resp_pkts": 4,
}
"""A connection as Zeek writes it."""

EVENT = {
    "timestamp": "2024-04-19T12:00:09.000000+0200",
    "flow_id": 445_348_883_402_532,
    "event_type": "flow",
    "src_ip": "10.0.0.1",
    "src_port": 50_000,
    "dest_ip": "2001:db8::1",
    "dest_port": 443,
    "proto": "TCP",
    "app_proto": "tls",
    "flow": {
        "pkts_toserver": 3,
        "pkts_toclient": 4,
        "bytes_toserver": 10,
        "bytes_toclient": 20,
        "start": "2024-04-19T12:00:01.000001+0200",
        "end": "2024-04-19T12:00:02.500001+0200",
        "state": "closed",
        "alerted": False,
    },
}
"""A flow as Suricata writes it."""


DNS = {"ts": MIDNIGHT, "uid": "C1", "id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2", "proto": "udp", "rtt": 0.1}
"""A record of another Zeek stream."""

ALERT = {
    "timestamp": "2024-04-19T12:00:02.000000+0200",
    "flow_id": EVENT["flow_id"],
    "event_type": "alert",
    "src_ip": "10.0.0.1",
    "alert": {"severity": 2},
    "flow": {"pkts_toserver": 1, "start": "2024-04-19T12:00:01.000001+0200"},
}
"""An alert in that flow."""

THERE = {
    "timestamp": "2024-04-19T12:05:00.000100+0200",
    "flow_id": 7,
    "event_type": "netflow",
    "src_ip": "10.0.0.1",
    "src_port": 50_000,
    "dest_ip": "10.0.0.2",
    "dest_port": 443,
    "proto": "TCP",
    "app_proto": "failed",
    "netflow": {
        "pkts": 3,
        "bytes": 10,
        "start": "2024-04-19T12:00:01.000001+0200",
        "end": "2024-04-19T12:00:02.500001+0200",
        "age": 1,
    },
}
"""The netflow event of the originator of another flow, as Suricata writes it."""

BACK = THERE | {
    "timestamp": "2024-04-19T12:05:00.000200+0200",
    "src_ip": "10.0.0.2",
    "src_port": 443,
    "dest_ip": "10.0.0.1",
    "dest_port": 50_000,
    "app_proto": "tls",
    "netflow": THERE["netflow"] | {"pkts": 4, "bytes": 20},
}
"""The netflow event of the response."""

ECS_CONN = {
    "@timestamp": "2024-04-19T00:01:00.943Z",
    "event": {"dataset": "zeek.connection", "duration": 1_500_000_000, "id": "CUM0KZ3MLUfNB0cl11"},
    "source": {"address": "10.0.0.1", "ip": "10.0.0.1", "port": 50_000, "bytes": 10, "packets": 3},
    "destination": {"address": "2001:db8::1", "ip": "2001:db8::1", "port": 443, "bytes": 20, "packets": 4},
    "network": {"transport": "tcp", "protocol": "ssl", "bytes": 30, "community_id": "1:x"},
    "zeek": {"session_id": "CUM0KZ3MLUfNB0cl11", "connection": {"state": "SF", "history": "Dd"}},
    "tags": ["zeek.connection"],
}
"""A connection as Filebeat's module for Zeek writes it."""
ECS_FLOW = {
    "@timestamp": "2024-04-19T10:00:09.000Z",
    "event": {"dataset": "suricata.eve", "start": "2024-04-19T10:00:01.000001Z", "end": "2024-04-19T10:00:02.500001Z"},
    "source": {"ip": "10.0.0.1", "port": 50_000, "bytes": 10, "packets": 3},
    "destination": {"ip": "2001:db8::1", "port": 443, "bytes": 20, "packets": 4},
    "network": {"transport": "tcp", "protocol": "tls"},
    "suricata": {"eve": {"event_type": "flow", "flow_id": "7", "flow": {"state": "closed", "alerted": True}}},
    "message": "Misc activity",
}
"""A flow as Filebeat's module for Suricata writes it."""


def lines(*records):
    """Return records as lines; strings are used unchanged."""
    return "".join(f"{record if isinstance(record, str) else json.dumps(record)}\n" for record in records)


def conn(**values):
    """Return a connection with some fields changed; `__` replaces the dot in a name, None removes a field."""
    changed = CONN | {name.replace("__", "."): value for name, value in values.items()}
    return {name: value for name, value in changed.items() if value is not None}


def event(**values):
    """Return a flow with some fields changed: those of its own `flow`, or else the event's."""
    inner = {name: value for name, value in values.items() if name in EVENT["flow"]}
    outer = {name: value for name, value in values.items() if name not in inner}
    return EVENT | outer | {"flow": EVENT["flow"] | inner}
