"""Read flows in the Elastic Common Schema, as Filebeat's modules for Zeek and Suricata write them, an object a line.

`unwrap` has already flattened nested names to `a.b`. The start of an event is `event.start`, or else `@timestamp`;
`event.duration` is in nanoseconds. `network.bytes` counts both directions; where it is missing, the two are added.
Filebeat's Zeek module puts the bytes of IP packets (`orig_ip_bytes`) in `source.bytes`, not the payload.
"""

import polars as pl

from cybersec_assets.flows.line_counts import UNKNOWN
from cybersec_assets.flows.parsing.ecs import MARKS, NAMES, TIMES
from cybersec_assets.flows.parsing.json_lines import first_objects, scan_objects
from cybersec_assets.flows.parsing.protocols import protocol
from cybersec_assets.flows.parsing.records import assemble
from cybersec_assets.flows.parsing.times import parse_time, seconds_between
from cybersec_assets.flows.parsing.values import Field, address, as_text, count, number, volume
from cybersec_assets.flows.readers.base import Reader, each
from cybersec_assets.flows.staging import StagedLog

TEXTS: dict[str, pl.DataType] = dict.fromkeys(NAMES, pl.String())
FLOW_DATASET = r"(^|\.)(conn|connection|flows?|netflow|ipfix|vpcflow)(\.log)?$"
"""The data sets in which each event is a flow."""
FLOW_ACTIONS = ("netflow_flow", "network_flow")
NANOSECONDS = 1_000_000_000


def scan(log: StagedLog) -> pl.LazyFrame:
    """Read a file lazily.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN, a record for each flow and for each line that is not a JSON object.
    """
    row_error = pl.when(~pl.col("is_object")).then(pl.lit("JSON object"))
    flows = log.line_counts.skip(scan_objects(log, TEXTS), _other_event())
    return assemble(flows, _fields(), row_error=row_error)


def _other_event() -> pl.Expr:
    """Return the name of an event that is not a flow; null for a flow, and for a line that is not an object."""
    dataset = pl.coalesce("event.dataset", "data_stream.dataset").str.replace_all(".", "-", literal=True)
    name = pl.coalesce("suricata.eve.event_type", dataset, pl.lit(UNKNOWN))
    return pl.when(pl.col("is_object") & ~_is_flow()).then(name)


def _is_flow() -> pl.Expr:
    """Return whether an event is a flow, judged by its type or data set, or else by values that only flows have."""
    event_type = pl.col("suricata.eve.event_type")
    is_flow_dataset = (
        pl.coalesce("event.dataset", "data_stream.dataset").str.contains(FLOW_DATASET).fill_null(value=False)
    )
    is_flow_action = pl.col("event.action").is_in(FLOW_ACTIONS).fill_null(value=False)
    has_duration = pl.col("event.duration").is_not_null() | pl.col("event.end").is_not_null()
    has_bytes = pl.any_horizontal(pl.col("network.bytes", "source.bytes", "destination.bytes").is_not_null())
    looks_like_flow = is_flow_dataset | is_flow_action | (has_duration & has_bytes)
    return pl.when(event_type.is_not_null()).then(event_type == "flow").otherwise(looks_like_flow)


def _fields() -> dict[str, Field]:
    start = pl.coalesce("event.start", "@timestamp")
    sent = count(pl.col("source.bytes"))
    received = count(pl.col("destination.bytes"))
    both = volume(sent, received)
    total = count(pl.col("network.bytes"))
    nanoseconds = number(pl.col("event.duration"), pl.Float64)
    seconds = seconds_between(parse_time(start), parse_time(pl.col("event.end")))
    alerted = pl.col("suricata.eve.flow.alerted")
    return {
        "timestamp": Field(start, parse_time(start)),
        "src_ip": address(pl.coalesce("source.ip", "source.address")),
        "dst_ip": address(pl.coalesce("destination.ip", "destination.address")),
        "bytes": Field(
            pl.coalesce(total.text, both.text), pl.when(total.text.is_null()).then(both.value).otherwise(total.value)
        ),
        "duration": Field(
            pl.coalesce("event.duration", "event.end"),
            pl.when(nanoseconds.text.is_null()).then(seconds).otherwise(nanoseconds.value / NANOSECONDS),
        ),
        "protocol": protocol(pl.coalesce("network.transport", "network.iana_number")),
        "uid": as_text(pl.coalesce("zeek.session_id", "suricata.eve.flow_id", "event.id")),
        "src_port": number(pl.col("source.port"), pl.Int32),
        "dst_port": number(pl.col("destination.port"), pl.Int32),
        "service": as_text(pl.coalesce("network.protocol", "network.application")),
        "conn_state": as_text(pl.coalesce("zeek.connection.state", "suricata.eve.flow.state")),
        "orig_bytes": sent,
        "resp_bytes": received,
        "orig_packets": count(pl.col("source.packets")),
        "resp_packets": count(pl.col("destination.packets")),
        "alerted": Field(alerted, pl.when(alerted.is_in(["true", "false"])).then(alerted == "true")),
    }


def recognises(log: StagedLog) -> bool:
    """Return whether an event of the schema is among the first objects."""
    return any(
        any(name in found for name in TIMES) and any(name in found for name in MARKS) for found in first_objects(log)
    )


READER = Reader("ecs", recognises, each(scan), json=True)
