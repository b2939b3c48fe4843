"""Suricata's EVE log, an object a line, plain or gzip: its `flow` events; what else it tells is passed over.

The events: https://docs.suricata.io/en/latest/output/eve/eve-json-format.html. A flow's time is that of its first
packet, its duration that from its first packet to its last; `alerted` says whether a signature matched.
"""

import polars as pl

from cybersec_assets.flows.json_lines import first_objects, scan_objects
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers.base import Field, Reader, assemble, each, host, volume
from cybersec_assets.flows.times import MICROSECONDS, parse_time

EVENT = ("event_type", "flow_id", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "app_proto")
FLOW = ("start", "end", "pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient", "state", "alerted")
WANTED = pl.Struct(dict.fromkeys(EVENT, pl.String()) | {"flow": pl.Struct(dict.fromkeys(FLOW, pl.String()))})
UNDETECTED = "failed"
"""What `app_proto` says where no protocol was detected."""


def scan(log: LogFile) -> pl.LazyFrame:
    """Read an event log lazily.

    Returns:
        The columns of RAW and ORIGIN, a record for each `flow` event and for each line that is no JSON object.
    """
    is_none = pl.col("object").is_null()
    is_flow = pl.col("object").struct.field("event_type") == "flow"
    misfit = pl.when(is_none).then(pl.lit("JSON object"))
    flow = pl.col("object").struct.field("flow").struct.field
    events = scan_objects(log, WANTED).filter(is_none | is_flow)
    timed = events.with_columns(start=parse_time(flow("start")), end=parse_time(flow("end")))
    return assemble(timed, _fields(), misfit=misfit)


def _fields() -> dict[str, Field]:
    event = {name: pl.col("object").struct.field(name) for name in EVENT}
    flow = {name: pl.col("object").struct.field("flow").struct.field(name) for name in FLOW}
    sent, received = _number(flow["bytes_toserver"], pl.Int64), _number(flow["bytes_toclient"], pl.Int64)
    # Polars divides by a constant as it multiplies by its inverse, which is off by a bit.
    seconds = ((pl.col("end") - pl.col("start")).dt.total_microseconds() / MICROSECONDS).round(6)
    return {
        "timestamp": Field(flow["start"], pl.col("start")),
        "src_ip": Field(event["src_ip"], host(event["src_ip"])),
        "dst_ip": Field(event["dest_ip"], host(event["dest_ip"])),
        "bytes": volume(sent, received),
        "duration": Field(flow["end"], seconds),
        "protocol": Field(event["proto"], event["proto"].str.to_lowercase()),
        "uid": Field(event["flow_id"], event["flow_id"]),
        "src_port": _number(event["src_port"], pl.Int32),
        "dst_port": _number(event["dest_port"], pl.Int32),
        "service": _words(pl.when(event["app_proto"] != UNDETECTED).then(event["app_proto"])),
        "conn_state": _words(flow["state"]),
        "orig_bytes": sent,
        "resp_bytes": received,
        "orig_packets": _number(flow["pkts_toserver"], pl.Int64),
        "resp_packets": _number(flow["pkts_toclient"], pl.Int64),
        "alerted": Field(flow["alerted"], flow["alerted"].replace_strict({"true": True, "false": False}, default=None)),
    }


def _number(text: pl.Expr, dtype: type[pl.DataType]) -> Field:
    return Field(text, text.cast(dtype, strict=False))


def _words(text: pl.Expr) -> Field:
    return Field(text, text)


def recognises(log: LogFile) -> bool:
    """Tell by a `flow` event among the first objects."""
    return any(record.get("event_type") == "flow" for record in first_objects(log))


READER = Reader("suricata", recognises, each(scan))
