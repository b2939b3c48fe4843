"""Join Suricata's `netflow` events into flows. Each event has one direction, so most flows have two events.

    events sorted by time → a record for each → both directions of a flow joined → flows without a flow event

Both events have the flow's `flow_id` and `start`; the originator's is written first. A record with an error is not
joined. A netflow event does not say whether a signature matched: `alerted` is true if an alert event refers to the
flow, false if none does but the files have other alert events, and null if they have no alert events.

This is the only reader that holds a day's flows in memory, and only if there are such events.
"""

import mmap
from collections.abc import Sequence
from functools import cache
from threading import Lock

import polars as pl

from cybersec_assets.flows.parsing.json_lines import scan_objects
from cybersec_assets.flows.parsing.records import assemble
from cybersec_assets.flows.parsing.times import parse_time, seconds_between
from cybersec_assets.flows.parsing.values import Field, count, volume
from cybersec_assets.flows.readers.suricata.eve import EVENT, event_fields, flow_ids
from cybersec_assets.flows.schema import ORIGIN, RAW_SCHEMA
from cybersec_assets.flows.staging import StagedLog

NETFLOW = ("start", "end", "pkts", "bytes")
WANTED = dict.fromkeys((*EVENT, "timestamp"), pl.String()) | {"netflow": pl.Struct(dict.fromkeys(NETFLOW, pl.String()))}
EVENT_TYPE = "netflow"
QUOTED = f'"{EVENT_TYPE}"'


def is_netflow(line: str) -> bool:
    """Return whether the text of a line shows a netflow event. Escapes may hide it."""
    return QUOTED in line


def netflows(logs: Sequence[StagedLog]) -> pl.LazyFrame:
    """Read the flows that have only netflow events, lazily.

    Args:
        logs: The day's files. The events of a flow may be in different files.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN. A joined flow has the file and line of the originator's event.
    """
    schema = pl.Schema(RAW_SCHEMA | ORIGIN)
    flows = cache(lambda: _joined(logs) if any(map(_has_some, logs)) else schema.to_frame())
    lock = Lock()

    def once() -> pl.DataFrame:
        # Each sink calls this in a thread of its own, but the lines must be counted once.
        with lock:
            return flows()

    return pl.defer(once, schema=schema)


def _has_some(log: StagedLog) -> bool:
    with log.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(QUOTED.encode()) >= 0


def _joined(logs: Sequence[StagedLog]) -> pl.DataFrame:
    flows = _both_ways(_one_way(logs))
    flow_events = flow_ids(logs, "flow").with_columns(has_flow_event=True)
    joined = flows.join(flow_events, left_on="uid", right_on="flow_id", how="left", maintain_order="left").collect()
    line_counts = logs[0].line_counts
    parses = pl.col("fault").is_null()
    line_counts.add(EVENT_TYPE, int(joined.filter(parses, "has_flow_event")["lines"].sum()))
    records = joined.filter(~parses | pl.col("has_flow_event").is_null())
    line_counts.joined += int((records.filter(parses)["lines"] - 1).sum())
    return records.select(*RAW_SCHEMA, *ORIGIN)


def _one_way(logs: Sequence[StagedLog]) -> pl.LazyFrame:
    """Return a record for each event, in the order in which they were written."""
    alerts = flow_ids(logs, "alert")
    events = pl.concat([scan_objects(log, WANTED, QUOTED) for log in logs])
    netflow = {name: pl.col("netflow").struct.field(name) for name in NETFLOW}
    rows = (
        events.filter(pl.col("event_type") == EVENT_TYPE)
        .sort(parse_time(pl.col("timestamp")), maintain_order=True, nulls_last=True)
        .join(alerts.with_columns(matched=True), on="flow_id", how="left", maintain_order="left")
        .join(alerts.select(any_alert=pl.len() > 0), how="cross", maintain_order="left")
        .with_columns(start=parse_time(netflow["start"]), end=parse_time(netflow["end"]))
    )
    alerted = pl.coalesce("matched", pl.when("any_alert").then(pl.lit(value=False)))
    fields = {
        "timestamp": Field(netflow["start"], pl.col("start")),
        **event_fields(),
        "bytes": count(netflow["bytes"]),
        "duration": Field(netflow["end"], seconds_between(pl.col("start"), pl.col("end"))),
        "orig_bytes": count(netflow["bytes"]),
        "orig_packets": count(netflow["pkts"]),
        "alerted": Field(alerted, alerted),
    }
    return assemble(rows, fields)


def _both_ways(records: pl.LazyFrame) -> pl.LazyFrame:
    """Join the two records of each flow; the first is the originator's."""
    is_lone = pl.col("fault").is_not_null() | pl.col("uid").is_null()
    place = pl.when(is_lone).then(pl.concat_str("file", "line", separator=":"))
    # If a log was delivered twice, each flow is there twice; `nth` keeps the copies apart.
    same_way = ("uid", "timestamp", "src_ip", "src_port", "dst_ip", "dst_port")
    keyed = records.with_columns(place=place).with_columns(nth=pl.int_range(pl.len()).over(*same_way, "place"))
    key = ("uid", "timestamp", "place", "nth")
    # More than two events may have the key; none of them may be lost.
    paired = keyed.with_columns(pair=pl.int_range(pl.len()).over(key) // 2)
    flows = paired.group_by(*key, "pair", maintain_order=True).agg(
        pl.exclude("duration", "service", "resp_bytes", "resp_packets", "file", "line").first(),
        pl.col("file", "line"),
        pl.col("duration").max(),
        pl.col("service").drop_nulls().first(),
        resp_bytes=pl.col("orig_bytes").get(1, null_on_oob=True),
        resp_packets=pl.col("orig_packets").get(1, null_on_oob=True),
    )
    sent, received = (Field(pl.col(name).cast(pl.String), pl.col(name)) for name in ("orig_bytes", "resp_bytes"))
    both = volume(sent, received)
    checked = flows.with_columns(
        bytes=both.value,
        fault=pl.coalesce("fault", pl.when(both.text.is_not_null()).then(pl.lit("bytes"))),
        value=pl.coalesce("value", both.text),
        lines=pl.col("line").list.len(),
    )
    # Both lines of a damaged pair are quarantined.
    parses = pl.col("fault").is_null()
    places = [pl.when(parses).then(pl.col(name).list.head(1)).otherwise(name) for name in ("file", "line")]
    return checked.with_columns(places).explode("file", "line")
