"""Read AWS VPC flow logs as text: the default format (version 2), with or without a header, and custom fields.

The fields: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html. A record is one direction of a
connection. Records with the status NODATA or SKIPDATA are not flows.
"""

from collections.abc import Sequence

import polars as pl

from cybersec_assets.flows.parsing.delimited import Layout, header_of, scan_fields
from cybersec_assets.flows.parsing.protocols import port, protocol
from cybersec_assets.flows.parsing.records import assemble, require_columns
from cybersec_assets.flows.parsing.times import from_epoch, seconds_between
from cybersec_assets.flows.parsing.values import Field, address, as_text, count, present_fields
from cybersec_assets.flows.readers.base import Reader, each
from cybersec_assets.flows.staging import StagedLog

DEFAULT = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
]
"""The fields of the default format, in order."""
NEEDED = {"srcaddr", "dstaddr", "protocol", "bytes", "start", "end"}
OPTIONAL = {"srcport", "dstport", "packets", "action", "log-status"}
NO_FLOW = ("NODATA", "SKIPDATA")
RECOGNISED_BY = 3
"""The least number of fields of the default format that make a first line a header."""
HEAD_LINES = 20


def scan(log: StagedLog) -> pl.LazyFrame:
    """Read a file lazily.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN, a record for each line.

    Raises:
        UnreadableLogError: A required field is missing.
    """
    header = header_of(log, " ") if _has_header(log) else DEFAULT
    require_columns(log, header, NEEDED)
    rows = scan_fields(log, Layout(header, mark="srcaddr", separator=" ", unset="-"), NEEDED | OPTIONAL)
    flows = log.line_counts.skip(rows, pl.when(pl.col("row_error").is_null()).then(_no_flow(header)))
    return assemble(flows, _fields(header), row_error=pl.col("row_error"))


def _has_header(log: StagedLog) -> bool:
    return len(set(DEFAULT) & set(header_of(log, " "))) >= RECOGNISED_BY


def _no_flow(header: Sequence[str]) -> pl.Expr:
    """Return the status of a record that is not a flow, null for a flow. Without a status, such a record is empty."""
    if "log-status" in header:
        status = pl.col("log-status").str.to_uppercase()
        return pl.when(status.is_in(NO_FLOW)).then(status)
    is_empty = pl.all_horizontal(pl.col(name).is_null() for name in ("srcaddr", "dstaddr", "protocol", "bytes"))
    return pl.when(is_empty).then(pl.lit(NO_FLOW[0]))


def _fields(header: Sequence[str]) -> dict[str, Field]:
    kind = protocol(pl.col("protocol"))
    volume = count(pl.col("bytes"))
    start = from_epoch(pl.col("start"))
    end = from_epoch(pl.col("end"))
    fields = {
        "timestamp": Field(pl.col("start"), start),
        "src_ip": address(pl.col("srcaddr")),
        "dst_ip": address(pl.col("dstaddr")),
        "bytes": volume,
        "duration": Field(pl.col("end"), seconds_between(start, end)),
        "protocol": kind,
        "orig_bytes": volume,
    }
    return fields | present_fields(
        {
            "src_port": ("srcport", lambda text: port(text, kind)),
            "dst_port": ("dstport", lambda text: port(text, kind)),
            "orig_packets": ("packets", count),
            "conn_state": ("action", as_text),
        },
        header,
    )


def recognises(log: StagedLog) -> bool:
    """Return whether the first line is a header, or a line of the head is a record in the default format."""
    return _has_header(log) or any(map(_is_default, log.first_lines[:HEAD_LINES]))


def _is_default(line: str) -> bool:
    fields = line.removeprefix("\ufeff").split(" ")
    return len(fields) == len(DEFAULT) and fields[0] == "2" and fields[-1] in {"OK", *NO_FLOW}


READER = Reader("aws_vpc", recognises, each(scan), prefixed=True)
