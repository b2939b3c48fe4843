"""What the fields of Zeek's conn stream mean, however they were written.

The fields: https://docs.zeek.org/en/master/logs/conn.html.
"""

from collections.abc import Callable, Mapping

import polars as pl

from cybersec_assets.flows.parsing.labels import verdict
from cybersec_assets.flows.readers.base import Field, address, volume

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


def conn_fields(texts: Mapping[str, pl.Expr], time: Callable[[pl.Expr], pl.Expr]) -> dict[str, Field]:
    """Give the source of each raw column.

    Args:
        texts: What the log has, by Zeek's name for it; null where it is unset. Those in NEEDED must be there.
        time: Reads the log's kind of time.
    """

    def number(name: str) -> Field:
        return Field(texts[name], texts[name].cast(NUMBERS[name], strict=False))

    def words(name: str) -> Field:
        return Field(texts[name], texts[name])

    def label(name: str) -> Field:
        # A label that gives no verdict is no fault, so its own value stands for its text.
        return Field(verdict(texts[name]).cast(pl.String), verdict(texts[name]))

    sent, received = number("orig_bytes"), number("resp_bytes")
    fields = {
        "timestamp": Field(texts["ts"], time(texts["ts"])),
        "src_ip": address(texts["id.orig_h"]),
        "dst_ip": address(texts["id.resp_h"]),
        "bytes": volume(sent, received),
        "duration": number("duration"),
        "protocol": Field(texts["proto"], texts["proto"].str.to_lowercase()),
        "orig_bytes": sent,
        "resp_bytes": received,
    }
    optional = {
        "uid": ("uid", words),
        "src_port": ("id.orig_p", number),
        "dst_port": ("id.resp_p", number),
        "service": ("service", words),
        "conn_state": ("conn_state", words),
        "orig_packets": ("orig_pkts", number),
        "resp_packets": ("resp_pkts", number),
        "label": ("label", label),
    }
    return fields | {raw: make(name) for raw, (name, make) in optional.items() if name in texts}
