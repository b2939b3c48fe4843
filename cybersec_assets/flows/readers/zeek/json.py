"""Read Zeek's `conn.log` as JSON, an object a line. Records of other streams may be among the connections.

The names: https://docs.zeek.org/en/master/logs/conn.html. Shippers write `id_orig_h` for `id.orig_h`, put the name of
the stream in `_path` or `@stream`, and add fields of their own. A record without a stream name is a connection if it
has a field that only connections have, or else if it has what a flow needs and no field of another stream: a log
filter may have removed the other fields. A connection that lacks a needed field is damaged. Any other record is
counted by its stream, or as `unknown`.
"""

from collections.abc import Mapping
from functools import partial

import polars as pl

from cybersec_assets.flows.line_counts import UNKNOWN
from cybersec_assets.flows.parsing.json_lines import (
    LineTest,
    first_objects,
    is_nested,
    object_passes,
    scan_objects,
    scan_typed,
)
from cybersec_assets.flows.parsing.records import assemble, assemble_fast
from cybersec_assets.flows.parsing.times import from_float_epoch, parse_time, parse_zoned
from cybersec_assets.flows.parsing.wrapped_json import STREAMS
from cybersec_assets.flows.readers.base import Reader, each
from cybersec_assets.flows.readers.zeek.conn import NEEDED, conn_fields
from cybersec_assets.flows.staging import StagedLog

NAMES = sorted(NEEDED | {"uid", "id.orig_p", "id.resp_p", "service", "conn_state", "orig_pkts", "resp_pkts", "label"})
STREAM = ("_path", "@stream")
CONN = "conn"
COUNTS = ("orig_bytes", "resp_bytes", "orig_pkts", "resp_pkts")
MARKS = ("conn_state", "history", *COUNTS)
"""Fields of conn that no other stream of Zeek has."""


def _spellings(name: str) -> tuple[str, ...]:
    return (name, name.replace(".", "_")) if "." in name else (name,)


WANTED = [*(spelt for name in NAMES for spelt in _spellings(name)), *STREAM, "history"]
TEXTS: dict[str, pl.DataType] = dict.fromkeys(WANTED, pl.String())
FIELDS_OF_CONN = frozenset(
    [
        *WANTED,
        *(
            "missed_bytes",
            "orig_ip_bytes",
            "resp_ip_bytes",
            "local_orig",
            "local_resp",
            "tunnel_parents",
            "ip_proto",
            "community_id",
        ),
        *("vlan", "inner_vlan", "orig_l2_addr", "resp_l2_addr", "orig_cc", "resp_cc", "speculative_service"),
        *("detailed-label", "_write_ts", "_system_name", "_node_name", "_log_hostname"),
    ]
)
"""The fields of conn, those that Zeek's policies add to it, and those with the name of the sensor."""
FIELDS_OF_OTHERS = frozenset({
    "query", "qclass", "qclass_name", "qtype", "qtype_name", "rcode", "rcode_name", "rtt", "trans_id",
    "answers", "TTLs", "AA", "TC", "RD", "RA", "original_query", "method", "uri", "referrer", "user_agent",
    "status_code", "status_msg", "trans_depth", "request_body_len", "response_body_len", "orig_fuids",
    "resp_fuids", "orig_mime_types", "resp_mime_types", "cipher", "cert_chain_fps", "cert_chain_fuids",
    "ssl_history", "auth_success", "auth_attempts", "cipher_alg", "mac_alg", "kex_alg", "host_key_alg",
    "reply_code", "reply_msg", "helo", "mailfrom", "rcptto", "last_reply", "client_addr", "server_addr",
    "assigned_addr", "assigned_ip", "requested_addr", "lease_time", "msg_types", "stratum", "ref_id",
    "ref_time", "org_time", "rec_time", "xmt_time", "community", "get_requests", "get_bulk_requests",
    "get_responses", "set_requests", "request_from", "request_to", "response_from", "response_to", "call_id",
    "cookie", "security_protocol", "request_type", "share_type", "native_file_system", "named_pipe",
    "domainname", "framed_addr", "connect_info", "tunnel_type", "note", "suppress_for", "file_mime_type",
    "file_desc", "facility", "analyzer", "analyzer_kind", "analyzer_name", "failure_reason", "failure_data",
    "packet_segment", "fuid", "seen_bytes", "total_bytes", "overflow_bytes", "timedout", "mime_type",
    "analyzers", "parent_fuid", "conn_uids", "tx_hosts", "rx_hosts", "software_type", "unparsed_version",
    "port_num", "port_proto", "master_id", "fc_request", "fc_reply",
})  # fmt: skip
"""Fields of Zeek's other streams: https://docs.zeek.org/en/master/script-reference/log-files.html."""
AMBIGUOUS = frozenset({"msg", "severity", "mac", "version", "addl"})
"""Fields of other streams that shippers also add to connections. No such stream has `proto` and `duration`."""
KINDS = ("type", "log_type", "event.dataset")
"""Fields in which some shippers put the name of the stream, and others something else."""
NEEDED_NAMES = ("ts", "id.orig_h", "id.resp_h", "proto")
MIN_NEEDED = 3
"""How many of the needed fields show that a record is a connection, damaged or not."""
PORTS = [spelt for name in ("id.orig_p", "id.resp_p") for spelt in _spellings(name)]
TYPES = (
    TEXTS
    | dict.fromkeys(("ts", "duration"), pl.Float64())
    | dict.fromkeys(COUNTS, pl.Int64())
    | dict.fromkeys(PORTS, pl.Int32())
)
"""The types that Zeek itself writes, with times as seconds since 1970."""
FIELDS = {name: pl.coalesce(_spellings(name)) for name in NAMES}


def scan(log: StagedLog) -> pl.LazyFrame:
    """Read a connection log lazily.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN, a record for each connection and for each line that is not a JSON object.
    """
    rows = scan_objects(log, TEXTS, test=_test(), kinds=STREAM)
    row_error = pl.when(~pl.col("is_object")).then(pl.lit("JSON object"))
    kind = pl.coalesce(_other_stream(), pl.when(pl.col("cut_kind") != CONN).then("cut_kind"))
    return assemble(log.line_counts.skip(rows, kind), conn_fields(FIELDS, parse_time), row_error=row_error)


def fast_scan(log: StagedLog) -> pl.LazyFrame:
    """Read a connection log lazily whose values all have the types that Zeek writes.

    Returns:
        The columns of RAW_SCHEMA and `suspect`.
    """
    is_iso = any(isinstance(record.get("ts"), str) for record in first_objects(log))
    types = TYPES | {"ts": pl.String()} if is_iso else TYPES
    fields = conn_fields(FIELDS, parse_zoned if is_iso else from_float_epoch)
    return assemble_fast(
        log.line_counts.skip(scan_typed(log, types, _test()), _other_stream()), fields, is_nested(types)
    )


def _other_stream() -> pl.Expr:
    """Return the name of a record's stream; null for a connection, and for a line that is not an object."""
    return pl.coalesce(pl.when(_stream() != CONN).then(_stream()), pl.when(~pl.col("passes")).then(pl.lit(UNKNOWN)))


def _stream() -> pl.Expr:
    return pl.coalesce(pl.when(pl.col(name) != "").then(pl.col(name)) for name in STREAM)


def _test() -> LineTest:
    """Return the test of records that have neither a stream name nor a field that only connections have."""
    is_unmarked = pl.all_horizontal(_stream().is_null(), *(pl.col(name).is_null() for name in MARKS))
    return LineTest(is_unmarked, partial(object_passes, is_unnamed_conn))


def is_unnamed_conn(record: Mapping[str, object]) -> bool:
    """Return whether a record without a stream name or a field that only connections have is a connection."""
    kinds = {_kind(record, name) for name in KINDS}
    if CONN in kinds:
        return True
    others = FIELDS_OF_OTHERS if {"proto", "duration"} <= record.keys() else FIELDS_OF_OTHERS | AMBIGUOUS
    if kinds & STREAMS or not others.isdisjoint(record):
        return False
    if record and record.keys() <= FIELDS_OF_CONN:
        return True
    present = [name for name in NEEDED_NAMES if not record.keys().isdisjoint(_spellings(name))]
    return len(present) >= MIN_NEEDED and not record.keys().isdisjoint({"proto", "duration"})


def _kind(record: Mapping[str, object], name: str) -> str:
    """Return the stream that a field names, such as `conn` for `zeek.conn`; an empty string if it has no text."""
    value = record.get(name)
    if value is None and "." in name:
        outer, inner = name.split(".")
        nested = record.get(outer)
        value = nested.get(inner) if isinstance(nested, dict) else None
    if not isinstance(value, str):
        return ""
    kind = value.lower().removeprefix("zeek").removeprefix("bro").lstrip("._-").removesuffix(".log")
    return CONN if kind == "connection" else kind


def recognises(log: StagedLog) -> bool:
    """Return whether a connection is among the first objects."""
    return any(map(_is_conn, first_objects(log)))


def _is_conn(record: dict[str, object]) -> bool:
    streams = [record[name] for name in STREAM if record.get(name)]
    if streams or "ts" not in record:
        return "ts" in record and streams[0] == CONN
    has_hosts = not record.keys().isdisjoint(_spellings("id.resp_h"))
    return any(name in record for name in MARKS) or (has_hosts and is_unnamed_conn(record))


READER = Reader("zeek_json", recognises, each(scan), each(fast_scan), json=True)
