"""Suricata's `netflow` events, joined into flows: one has what went one way, so that most flows have two.

    events by their time → a record each → two of one flow, one from each end, become one → those without a flow event

Both have the flow's `flow_id` and its `start`; the originator's is written first. What is at fault stays by itself.
An event does not say whether a signature matched: `alerted` is true where an alert event names the flow, false where
none does but the files have others, and null where they have no alert events at all.

This is the only reading that holds a day's flows in memory, and only where there are such events.
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
from cybersec_assets.flows.schema import ORIGIN, RAW
from cybersec_assets.flows.staging import StagedLog

NETFLOW = ("start", "end", "pkts", "bytes")
WANTED = dict.fromkeys((*EVENT, "timestamp"), pl.String()) | {"netflow": pl.Struct(dict.fromkeys(NETFLOW, pl.String()))}
EVENT_TYPE = "netflow"
QUOTED = f'"{EVENT_TYPE}"'


def is_read(line: str) -> bool:
    """Return whether a line of such an event is found by its text, which escapes may hide."""
    return QUOTED in line


def netflows(logs: Sequence[StagedLog]) -> pl.LazyFrame:
    """Read the flows of which only such events tell, lazily.

    Args:
        logs: The day's files: what one has of a flow is joined with what another has.

    Returns:
        The columns of RAW and ORIGIN; a joined flow has the originator's place.
    """
    schema = pl.Schema(RAW | ORIGIN)
    flows = cache(lambda: _joined(logs) if any(map(_has_some, logs)) else schema.to_frame())
    lock = Lock()

    def once() -> pl.DataFrame:
        # Each sink asks for the frame in a thread of its own, and the lines are to be counted once.
        with lock:
            return flows()

    return pl.defer(once, schema=schema)


def _has_some(log: StagedLog) -> bool:
    with log.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(QUOTED.encode()) >= 0


def _joined(logs: Sequence[StagedLog]) -> pl.DataFrame:
    flows = _both_ways(_one_way(logs))
    told = flow_ids(logs, "flow").with_columns(told=True)
    known = flows.join(told, left_on="uid", right_on="flow_id", how="left", maintain_order="left").collect()
    line_counts = logs[0].line_counts
    is_sound = pl.col("fault").is_null()
    line_counts.add(EVENT_TYPE, int(known.filter(is_sound, "told")["lines"].sum()))
    untold = known.filter(~is_sound | pl.col("told").is_null())
    line_counts.joined += int((untold.filter(is_sound)["lines"] - 1).sum())
    return untold.select(*RAW, *ORIGIN)


def _one_way(logs: Sequence[StagedLog]) -> pl.LazyFrame:
    """Give a record an event, in the order in which they were written."""
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
    """Make one record of two that tell of one flow; the first is the originator's."""
    is_lone = pl.col("fault").is_not_null() | pl.col("uid").is_null()
    place = pl.when(is_lone).then(pl.concat_str("file", "line", separator=":"))
    # A log that was delivered twice has every flow twice, and is seen by that.
    same_way = ("uid", "timestamp", "src_ip", "src_port", "dst_ip", "dst_port")
    keyed = records.with_columns(place=place).with_columns(nth=pl.int_range(pl.len()).over(*same_way, "place"))
    key = ("uid", "timestamp", "place", "nth")
    # No event is left over where more than two have the key.
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
    is_sound = pl.col("fault").is_null()
    places = [pl.when(is_sound).then(pl.col(name).list.head(1)).otherwise(name) for name in ("file", "line")]
    return checked.with_columns(places).explode("file", "line")
