"""The raw layer's columns: one schema for every source.

Times are UTC in microseconds, `duration` is in seconds, volumes are in bytes or packets. What belongs elsewhere:
how a source's own columns become these (`readers`), and what silver derives from them (`clean`).
"""

import polars as pl

TIMESTAMP = pl.Datetime("us", "UTC")

RAW: dict[str, pl.DataType] = {
    "timestamp": TIMESTAMP,
    "src_ip": pl.String(),
    "dst_ip": pl.String(),
    "bytes": pl.Int64(),
    "duration": pl.Float64(),
    "protocol": pl.String(),
    "uid": pl.String(),
    "src_port": pl.Int32(),
    "dst_port": pl.Int32(),
    "service": pl.String(),
    "conn_state": pl.String(),
    "orig_bytes": pl.Int64(),
    "resp_bytes": pl.Int64(),
    "orig_packets": pl.Int64(),
    "resp_packets": pl.Int64(),
    "alerted": pl.Boolean(),
    "label": pl.Boolean(),
}
"""Name and type of each column of the raw layer, in order."""

REQUIRED = ("timestamp", "src_ip", "dst_ip", "bytes", "duration", "protocol")
"""What a source must offer to be a source of flows."""

NEVER_NULL = ("timestamp", "src_ip", "dst_ip", "protocol")

VOLUMES = ("bytes", "duration", "orig_bytes", "resp_bytes", "orig_packets", "resp_packets")
"""Columns that count something and so are never negative."""

PORTS = ("src_port", "dst_port")
LAST_PORT = 65_535

ORIGIN: dict[str, pl.DataType] = {
    "file": pl.String(),
    "line": pl.UInt32(),
    "fault": pl.String(),
    "value": pl.String(),
}
"""What a reader adds to RAW: the record's place and, where it does not parse, which column and which value.

A `value` without a `fault` is a label of which no word is known.
"""
