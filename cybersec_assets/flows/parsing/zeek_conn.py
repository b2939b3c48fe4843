"""What the fields of Zeek's conn stream mean, however they were written.

The fields: https://docs.zeek.org/en/master/logs/conn.html.
"""

from collections.abc import Callable, Mapping

import polars as pl

from cybersec_assets.flows.parsing.labels import label
from cybersec_assets.flows.readers.base import Field, address, count, number, volume, words

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


def _port(text: pl.Expr) -> Field:
    return number(text, pl.Int32)


OPTIONAL: dict[str, tuple[str, Callable[[pl.Expr], Field]]] = {
    "uid": ("uid", words),
    "src_port": ("id.orig_p", _port),
    "dst_port": ("id.resp_p", _port),
    "service": ("service", words),
    "conn_state": ("conn_state", words),
    "orig_packets": ("orig_pkts", count),
    "resp_packets": ("resp_pkts", count),
    "label": ("label", label),
}
"""What a log may lack: Zeek's name of each raw column, and what reads it."""


def conn_fields(texts: Mapping[str, pl.Expr], time: Callable[[pl.Expr], pl.Expr]) -> dict[str, Field]:
    """Give the source of each raw column.

    Args:
        texts: What the log has, by Zeek's name for it; null where it is unset. Those in NEEDED must be there.
        time: Reads the log's kind of time.
    """
    sent, received = count(texts["orig_bytes"]), count(texts["resp_bytes"])
    fields = {
        "timestamp": Field(texts["ts"], time(texts["ts"])),
        "src_ip": address(texts["id.orig_h"]),
        "dst_ip": address(texts["id.resp_h"]),
        "bytes": volume(sent, received),
        "duration": number(texts["duration"], pl.Float64),
        "protocol": Field(texts["proto"], texts["proto"].str.to_lowercase()),
        "orig_bytes": sent,
        "resp_bytes": received,
    }
    return fields | {raw: make(texts[name]) for raw, (name, make) in OPTIONAL.items() if name in texts}
