"""The fields that all events about flows in Suricata's EVE log have in common.

The events: https://docs.suricata.io/en/latest/output/eve/eve-json-format.html. The fields of one type of event are in
`flow` and `netflow`.
"""

from collections.abc import Sequence

import polars as pl

from cybersec_assets.flows.parsing.lines import scan_lines
from cybersec_assets.flows.parsing.protocols import protocol
from cybersec_assets.flows.parsing.values import Field, address, as_text, number
from cybersec_assets.flows.staging import StagedLog

EVENT = ("event_type", "flow_id", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "app_proto")
"""The fields of every event about a flow."""
UNDETECTED = "failed"
"""The value of `app_proto` if no protocol was detected."""


def event_fields() -> dict[str, Field]:
    """Return the field of each raw column that every such event has."""
    service = pl.when(pl.col("app_proto") != UNDETECTED).then(pl.col("app_proto"))
    return {
        "src_ip": address(pl.col("src_ip")),
        "dst_ip": address(pl.col("dest_ip")),
        "protocol": protocol(pl.col("proto")),
        "uid": as_text(pl.col("flow_id")),
        "src_port": number(pl.col("src_port"), pl.Int32),
        "dst_port": number(pl.col("dest_port"), pl.Int32),
        "service": as_text(service),
    }


def flow_ids(logs: Sequence[StagedLog], event_type: str) -> pl.LazyFrame:
    """Return the flows that events of a type refer to.

    The IDs are extracted from the text, as decoding all alerts would take as long as decoding all flows. An event whose
    line is damaged further on therefore counts, too. Text inside an event cannot match, as its quotes are escaped.

    Args:
        logs: The day's files.
        event_type: The type.

    Returns:
        The distinct values of `flow_id`.
    """
    text = pl.col("text")
    lines = pl.concat([scan_lines(log) for log in logs]).filter(text.str.contains(f'"{event_type}"', literal=True))
    events = lines.filter(text.str.contains(rf'"event_type"\s*:\s*"{event_type}"'))
    return events.select(flow_id=text.str.extract(r'"flow_id"\s*:\s*"?(\d+)')).drop_nulls().unique()
