"""What the fields of Zeek's conn stream mean, however they were written.

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
"""The fields that are numbers, a time in seconds since 1970 among them; all others are text."""


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
"""What a log may lack: Zeek's name of each raw column."""


def conn_fields(texts: Mapping[str, pl.Expr], time: Callable[[pl.Expr], pl.Expr]) -> dict[str, Field]:
    """Give the source of each raw column.

    Args:
        texts: What the log has, by Zeek's name for it; null where it is unset. Those in NEEDED must be there.
        time: Reads the log's kind of time.
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
