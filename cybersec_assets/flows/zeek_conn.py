"""What the fields of Zeek's conn stream mean, however they were written.

The fields: https://docs.zeek.org/en/master/logs/conn.html.
"""

from collections.abc import Callable, Mapping

import polars as pl

from cybersec_assets.flows.labels import verdict
from cybersec_assets.flows.readers.base import Field, volume

NEEDED = {"ts", "id.orig_h", "id.resp_h", "proto", "duration", "orig_bytes", "resp_bytes"}
ADDRESS = r"^[0-9A-Fa-f:.]+(%[\w.-]+)?$"


def conn_fields(texts: Mapping[str, pl.Expr], time: Callable[[pl.Expr], pl.Expr]) -> dict[str, Field]:
    """Give the source of each raw column.

    Args:
        texts: What the log has, by Zeek's name for it; null where it is unset. Those in NEEDED must be there.
        time: Reads the log's kind of time.
    """

    def of(name: str, dtype: type[pl.DataType]) -> Field:
        return Field(texts[name], texts[name].cast(dtype, strict=False))

    def address(name: str) -> Field:
        return Field(texts[name], pl.when(texts[name].str.contains(ADDRESS)).then(texts[name]))

    def words(name: str) -> Field:
        return Field(texts[name], texts[name])

    sent, received = of("orig_bytes", pl.Int64), of("resp_bytes", pl.Int64)
    fields = {
        "timestamp": Field(texts["ts"], time(texts["ts"])),
        "src_ip": address("id.orig_h"),
        "dst_ip": address("id.resp_h"),
        "bytes": volume(sent, received),
        "duration": of("duration", pl.Float64),
        "protocol": Field(texts["proto"], texts["proto"].str.to_lowercase()),
        "orig_bytes": sent,
        "resp_bytes": received,
    }
    optional = {
        "uid": ("uid", words),
        "src_port": ("id.orig_p", lambda name: of(name, pl.Int32)),
        "dst_port": ("id.resp_p", lambda name: of(name, pl.Int32)),
        "service": ("service", words),
        "conn_state": ("conn_state", words),
        "orig_packets": ("orig_pkts", lambda name: of(name, pl.Int64)),
        "resp_packets": ("resp_pkts", lambda name: of(name, pl.Int64)),
        # A label that gives no verdict is no fault, so its own value stands for its text.
        "label": ("label", lambda name: Field(verdict(texts[name]).cast(pl.String), verdict(texts[name]))),
    }
    return fields | {raw: make(name) for raw, (name, make) in optional.items() if name in texts}
