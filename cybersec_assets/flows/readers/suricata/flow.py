"""Read the flows of Suricata's EVE log, an object a line. Events of other types are counted by their type.

    flow events ──────→ joined with alert events by `flow_id` ──→ records
    netflow events ───→ both directions joined (`netflow`) ────↗

The events: https://docs.suricata.io/en/latest/output/eve/eve-json-format.html. A flow's time is that of its first
packet; its duration is the time from its first packet to its last. `alerted` is true if the flow event says so, or if
any of the day's files has an alert event with the same `flow_id`. Of the alert events, only the `flow_id`s are held in
memory. An alert event without a flow event makes no record.
"""

from collections.abc import Callable, Sequence

import polars as pl

from cybersec_assets.flows.line_counts import UNKNOWN
from cybersec_assets.flows.parsing.json_lines import (
    LineTest,
    begins_with,
    first_objects,
    is_nested,
    scan_objects,
    scan_typed,
)
from cybersec_assets.flows.parsing.records import assemble, assemble_fast
from cybersec_assets.flows.parsing.times import parse_time, parse_zoned, seconds_between
from cybersec_assets.flows.parsing.values import Field, as_text, count, volume
from cybersec_assets.flows.readers.base import Reader
from cybersec_assets.flows.readers.suricata.eve import EVENT, event_fields, flow_ids
from cybersec_assets.flows.readers.suricata.netflow import EVENT_TYPE as NETFLOW
from cybersec_assets.flows.readers.suricata.netflow import is_netflow, netflows
from cybersec_assets.flows.staging import StagedLog

FLOW_EVENT = "flow"
COUNTS = ("pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient")
WORDS = ("start", "end", "state", "alerted")
FLOW = dict.fromkeys((*COUNTS, *WORDS), pl.String())
TEXTS = dict.fromkeys(EVENT, pl.String()) | {"flow": pl.Struct(FLOW)}
TYPES = (
    TEXTS
    | dict.fromkeys(("src_port", "dest_port"), pl.Int32())
    | {"flow": pl.Struct(FLOW | dict.fromkeys(COUNTS, pl.Int64()))}
)


def scan(logs: Sequence[StagedLog]) -> pl.LazyFrame:
    """Read event logs lazily.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN, a record for each `flow` event, for each flow that has only `netflow`
        events, and for each line that is not a JSON object.
    """
    test = LineTest(pl.col("event_type") == NETFLOW, is_netflow)
    lines = [scan_objects(log, TEXTS, test=test, kinds=[EVENT[0]]) for log in logs]
    kind = _other_event()
    events = pl.concat([log.line_counts.skip(rows, kind) for log, rows in zip(logs, lines, strict=True)])
    flows = events.filter(~pl.col("passes").fill_null(value=False))
    row_error = pl.when(~pl.col("is_object")).then(pl.lit("JSON object"))
    return pl.concat([assemble(_with_alerts(flows, logs, parse_time), _fields(), row_error=row_error), netflows(logs)])


def fast_scan(logs: Sequence[StagedLog]) -> pl.LazyFrame:
    """Read event logs lazily whose values all have the types that Suricata writes.

    Returns:
        The columns of RAW_SCHEMA and `suspect`, which is also true for `netflow` events and events without a type.
    """
    flows = pl.concat([log.line_counts.skip(scan_typed(log, TYPES), _other_type()) for log in logs])
    doubt = is_nested(TYPES) | pl.col("event_type").ne_missing(FLOW_EVENT)
    return assemble_fast(_with_alerts(flows, logs, parse_zoned), _fields(), doubt)


def _other_event() -> pl.Expr:
    """Return the type of an event that is not about a flow; null for any other line.

    An event without a type is read as a flow if it has any field of a flow.
    """
    flow = (pl.col("flow").struct.field(name) for name in FLOW)
    has_some = pl.any_horizontal(text.is_not_null() for text in (*map(pl.col, EVENT[1:]), *flow))
    untyped = pl.when(pl.col("is_object"), pl.col("event_type").is_null(), ~has_some).then(pl.lit(UNKNOWN))
    return pl.coalesce(_other_type(), untyped, _other_type("cut_kind"))


def _other_type(name: str = "event_type") -> pl.Expr:
    return pl.when(~pl.col(name).is_in([FLOW_EVENT, NETFLOW])).then(name)


def _with_alerts(flows: pl.LazyFrame, logs: Sequence[StagedLog], time: Callable[[pl.Expr], pl.Expr]) -> pl.LazyFrame:
    """Add the parsed times, and whether an alert event refers to the flow."""
    flow = pl.col("flow").struct.field
    alerts = flow_ids(logs, "alert").with_columns(matched=True)
    timed = flows.with_columns(start=time(flow("start")), end=time(flow("end")))
    return timed.join(alerts, on="flow_id", how="left", maintain_order="left")


def _fields() -> dict[str, Field]:
    flow = {name: pl.col("flow").struct.field(name) for name in FLOW}
    sent = count(flow["bytes_toserver"])
    received = count(flow["bytes_toclient"])
    # With `replace_strict`, Polars would hold all rows in memory.
    alerted = pl.when(flow["alerted"].is_in(["true", "false"])).then(flow["alerted"] == "true")
    return {
        "timestamp": Field(flow["start"], pl.col("start")),
        **event_fields(),
        "bytes": volume(sent, received),
        "duration": Field(flow["end"], seconds_between(pl.col("start"), pl.col("end"))),
        "conn_state": as_text(flow["state"]),
        "orig_bytes": sent,
        "resp_bytes": received,
        "orig_packets": count(flow["pkts_toserver"]),
        "resp_packets": count(flow["pkts_toclient"]),
        "alerted": Field(flow["alerted"], pl.coalesce("matched", alerted)),
    }


def recognises(log: StagedLog) -> bool:
    """Return whether an event is among the first lines.

    Its type may be any, as thousands of others may come before the first flow. The last of these lines may be
    incomplete.
    """
    if any(isinstance(record.get("event_type"), str) and "timestamp" in record for record in first_objects(log)):
        return True
    return any(begins_with(line, EVENT[:1]) and begins_with(line, ["timestamp"]) for line in log.first_lines)


READER = Reader("suricata", recognises, scan, fast_scan, together=True, json=True)
