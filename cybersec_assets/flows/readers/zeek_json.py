"""Zeek's `conn.log` as JSON, an object a line; records of other streams may stand among its connections.

The names: https://docs.zeek.org/en/master/logs/conn.html. Shippers write `id_orig_h` for `id.orig_h`, and name the
stream in `_path` or `@stream`. Without such a name, a record is a connection if it has a field that only connections
have, or if all of its fields are those of a connection: a log filter may have removed the others. Such a record that
lacks what a flow needs is damaged. Any other record is counted by its stream, or as `unknown`.
"""

from functools import partial

import polars as pl

from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.parsing.json_lines import (
    LineTest,
    first_objects,
    has_only,
    is_nested,
    scan_objects,
    scan_typed,
)
from cybersec_assets.flows.parsing.times import from_float_epoch, parse_time, parse_zoned
from cybersec_assets.flows.parsing.zeek_conn import NEEDED, conn_fields
from cybersec_assets.flows.readers.base import Reader, assemble, each, screen
from cybersec_assets.flows.tally import UNKNOWN

NAMES = sorted(NEEDED | {"uid", "id.orig_p", "id.resp_p", "service", "conn_state", "orig_pkts", "resp_pkts", "label"})
STREAM = ("_path", "@stream")
CONN = "conn"
COUNTS = ("orig_bytes", "resp_bytes", "orig_pkts", "resp_pkts", "missed_bytes")
MARKS = ("conn_state", "history", *COUNTS)
"""Fields of conn that no other stream of Zeek has."""


def _spellings(name: str) -> tuple[str, ...]:
    return (name, name.replace(".", "_")) if "." in name else (name,)


WANTED = [*(spelt for name in NAMES for spelt in _spellings(name)), *STREAM, "history", "missed_bytes"]
TEXTS: dict[str, pl.DataType] = dict.fromkeys(WANTED, pl.String())
FIELDS_OF_CONN = frozenset(
    [
        *WANTED,
        *("orig_ip_bytes", "resp_ip_bytes", "local_orig", "local_resp", "tunnel_parents", "ip_proto", "community_id"),
        *("vlan", "inner_vlan", "orig_l2_addr", "resp_l2_addr", "orig_cc", "resp_cc", "speculative_service"),
        *("detailed-label", "_write_ts", "_system_name", "_node_name", "_log_hostname"),
    ]
)
"""The fields of conn, those that Zeek's own policies add to it, and those that name the sensor."""
PORTS = [spelt for name in ("id.orig_p", "id.resp_p") for spelt in _spellings(name)]
TYPES = (
    TEXTS
    | dict.fromkeys(("ts", "duration"), pl.Float64())
    | dict.fromkeys(COUNTS, pl.Int64())
    | dict.fromkeys(PORTS, pl.Int32())
)
"""What Zeek itself writes, with a time as epoch."""
FIELDS = {name: pl.coalesce(_spellings(name)) for name in NAMES}


def scan(log: LogFile) -> pl.LazyFrame:
    """Read a connection log lazily.

    Returns:
        The columns of RAW and ORIGIN, a record for each connection and for each line that is no JSON object.
    """
    rows = scan_objects(log, TEXTS, test=_test(), kinds=STREAM)
    misfit = pl.when(~pl.col("is_object")).then(pl.lit("JSON object"))
    kind = pl.coalesce(_other_stream(), pl.when(pl.col("cut_kind") != CONN).then("cut_kind"))
    return assemble(log.tally.skip(rows, kind), conn_fields(FIELDS, parse_time), misfit=misfit)


def quick(log: LogFile) -> pl.LazyFrame:
    """Read a connection log lazily, of which each value has the type that Zeek gives it.

    Returns:
        The columns of RAW, and `suspect`.
    """
    is_iso = any(isinstance(record.get("ts"), str) for record in first_objects(log))
    types = TYPES | {"ts": pl.String()} if is_iso else TYPES
    fields = conn_fields(FIELDS, parse_zoned if is_iso else from_float_epoch)
    return screen(log.tally.skip(scan_typed(log, types, _test()), _other_stream()), fields, is_nested(types))


def _other_stream() -> pl.Expr:
    """Return the name of a record's stream, null for a connection and for what is no object."""
    return pl.coalesce(pl.when(_stream() != CONN).then(_stream()), pl.when(~pl.col("passes")).then(pl.lit(UNKNOWN)))


def _stream() -> pl.Expr:
    return pl.coalesce(pl.when(pl.col(name) != "").then(pl.col(name)) for name in STREAM)


def _test() -> LineTest:
    """Test the fields of a record that neither names its stream nor has a field that only connections have."""
    is_unmarked = pl.all_horizontal(_stream().is_null(), *(pl.col(name).is_null() for name in MARKS))
    return LineTest(is_unmarked, partial(has_only, FIELDS_OF_CONN))


def recognises(log: LogFile) -> bool:
    """Tell by a connection among the first objects."""
    return any(map(_is_conn, first_objects(log)))


def _is_conn(record: dict[str, object]) -> bool:
    streams = [record[name] for name in STREAM if record.get(name)]
    if streams or "ts" not in record:
        return "ts" in record and streams[0] == CONN
    has_hosts = not record.keys().isdisjoint(_spellings("id.resp_h"))
    return any(name in record for name in MARKS) or (has_hosts and record.keys() <= FIELDS_OF_CONN)


READER = Reader("zeek_json", recognises, each(scan), each(quick), json=True)
