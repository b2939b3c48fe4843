"""The raw layer's columns: one schema for every source.

Times are UTC in microseconds, `duration` is in seconds, volumes are in bytes or packets. How the columns of a log
become these is up to the `readers`; what silver derives from them is up to `clean`.
"""

import polars as pl

TIMESTAMP = pl.Datetime("us", "UTC")

RAW_SCHEMA: dict[str, pl.DataType] = {
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
"""The columns that every source of flows must have."""

NEVER_NULL = ("timestamp", "src_ip", "dst_ip", "protocol")

VOLUMES = ("bytes", "duration", "orig_bytes", "resp_bytes", "orig_packets", "resp_packets")
"""Columns that are never negative."""

PORTS = ("src_port", "dst_port")
LAST_PORT = 65_535

ORIGIN: dict[str, pl.DataType] = {
    "file": pl.String(),
    "line": pl.UInt32(),
    "fault": pl.String(),
    "value": pl.String(),
}
"""The columns that a reader adds to RAW_SCHEMA: the record's place and, where it does not parse, what is wrong.

`fault` is null where a record parses. Otherwise it names the raw column that is wrong, whose text is in `value`, or the
row error, such as `number of fields`. A `value` without a `fault` is a label without a known word. The quarantine
stores these columns under these names.
"""
