"""Zeek's `conn.log` as JSON, an object a line; other streams may stand among it.

The names: https://docs.zeek.org/en/master/logs/conn.html. Shippers write `id_orig_h` for `id.orig_h`, and name the
stream in `_path` or `@stream`; where neither is there, a record is a connection if it has what only those have.
"""

import polars as pl

from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.parsing.json_lines import first_objects, is_nested, scan_objects, scan_typed
from cybersec_assets.flows.parsing.times import from_float_epoch, parse_time, parse_zoned
from cybersec_assets.flows.parsing.zeek_conn import NEEDED, conn_fields
from cybersec_assets.flows.readers.base import Reader, assemble, each, screen

NAMES = sorted(NEEDED | {"uid", "id.orig_p", "id.resp_p", "service", "conn_state", "orig_pkts", "resp_pkts", "label"})
STREAM = ("_path", "@stream")
MARKS = ("conn_state", "history", "missed_bytes", "orig_pkts")
"""What no stream but conn has."""


def _spellings(name: str) -> tuple[str, ...]:
    return (name, name.replace(".", "_")) if "." in name else (name,)


WANTED = [*(spelt for name in NAMES for spelt in _spellings(name)), *STREAM, "history", "missed_bytes"]
TEXTS: dict[str, pl.DataType] = dict.fromkeys(WANTED, pl.String())
COUNTS = ("orig_bytes", "resp_bytes", "orig_pkts", "resp_pkts", "missed_bytes")
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
    misfit = pl.when(~pl.col("is_object")).then(pl.lit("JSON object"))
    return assemble(_connections(scan_objects(log, TEXTS)), conn_fields(FIELDS, parse_time), misfit=misfit)


def quick(log: LogFile) -> pl.LazyFrame:
    """Read a connection log lazily, of which each value has the type that Zeek gives it.

    Returns:
        The columns of RAW, and `suspect`.
    """
    is_iso = any(isinstance(record.get("ts"), str) for record in first_objects(log))
    types = TYPES | {"ts": pl.String()} if is_iso else TYPES
    fields = conn_fields(FIELDS, parse_zoned if is_iso else from_float_epoch)
    return screen(_connections(scan_typed(log, types)), fields, is_nested(types))


def _connections(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Leave out what is a record of another stream."""
    stream = pl.coalesce(STREAM)
    marked = pl.any_horizontal(pl.col(name).is_not_null() for name in MARKS)
    is_conn = pl.when(stream.is_null()).then(marked).otherwise(stream == "conn")
    return rows.filter(~pl.col("is_object") | is_conn)


def recognises(log: LogFile) -> bool:
    """Tell by a connection among the first objects."""
    return any(map(_is_conn, first_objects(log)))


def _is_conn(record: dict[str, object]) -> bool:
    streams = [record[name] for name in STREAM if name in record]
    return "ts" in record and (streams[0] == "conn" if streams else any(name in record for name in MARKS))


READER = Reader("zeek_json", recognises, each(scan), each(quick))
