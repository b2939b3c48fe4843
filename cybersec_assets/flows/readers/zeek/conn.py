"""The fields of Zeek's conn stream, for both the TSV and the JSON form.

The fields: https://docs.zeek.org/en/master/logs/conn.html.
"""

from collections.abc import Callable, Mapping

import polars as pl

from cybersec_assets.flows.parsing.labels import label
from cybersec_assets.flows.parsing.protocols import protocol
from cybersec_assets.flows.parsing.values import Field, address, as_text, number, volume

NEEDED = {"ts", "id.orig_h", "id.resp_h", "proto", "duration", "orig_bytes", "resp_bytes"}
NUMBERS: dict[str, pl.DataType] = {
    "ts": pl.Float64(),
    "duration": pl.Float64(),
    "orig_bytes": pl.Int64(),
    "resp_bytes": pl.Int64(),
    "orig_pkts": pl.Int64(),
    "resp_pkts": pl.Int64(),
    "id.orig_p": pl.Int32(),
    "id.resp_p": pl.Int32(),
}
"""The numeric fields, including the time in seconds since 1970; all others are text."""
OPTIONAL = {
    "uid": "uid",
    "src_port": "id.orig_p",
    "dst_port": "id.resp_p",
    "service": "service",
    "conn_state": "conn_state",
    "orig_packets": "orig_pkts",
    "resp_packets": "resp_pkts",
    "label": "label",
}
"""Zeek's name of each raw column that a log may lack."""


def conn_fields(texts: Mapping[str, pl.Expr], time: Callable[[pl.Expr], pl.Expr]) -> dict[str, Field]:
    """Return the field of each raw column.

    Args:
        texts: The log's text by Zeek's field name, null where it is unset. Those in NEEDED must be there.
        time: Parses the log's format of times.
    """
    sent, received = (_read(name, texts[name]) for name in ("orig_bytes", "resp_bytes"))
    fields = {
        "timestamp": Field(texts["ts"], time(texts["ts"])),
        "src_ip": address(texts["id.orig_h"]),
        "dst_ip": address(texts["id.resp_h"]),
        "bytes": volume(sent, received),
        "duration": _read("duration", texts["duration"]),
        "protocol": protocol(texts["proto"]),
        "orig_bytes": sent,
        "resp_bytes": received,
    }
    return fields | {raw: _read(name, texts[name]) for raw, name in OPTIONAL.items() if name in texts}


def _read(name: str, text: pl.Expr) -> Field:
    if name in NUMBERS:
        return number(text, NUMBERS[name])
    return label(text) if name == "label" else as_text(text)
