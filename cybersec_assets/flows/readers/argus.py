"""Read Argus flows as `ra -c ,` prints them, and the binetflow files of CTU-13. Both have a header.

The separator is a comma, a tab, a semicolon or a vertical bar: the one that splits the header into Argus' names.
The fields are documented at https://manpages.ubuntu.com/manpages/noble/en/man1/ra.1.html (option `-s`), the labelled
captures at https://www.stratosphereips.org/datasets-ctu13. `ra` prints local time: run it with `TZ=UTC`. Management
records (`man`), which Argus writes about itself, are not flows.
"""

from collections.abc import Sequence

import polars as pl

from cybersec_assets.flows.parsing.delimited import Layout, header_of, scan_fields, separator_of
from cybersec_assets.flows.parsing.labels import label
from cybersec_assets.flows.parsing.protocols import PORTED, port, protocol
from cybersec_assets.flows.parsing.records import assemble, require_columns
from cybersec_assets.flows.parsing.times import parse_time, seconds_between
from cybersec_assets.flows.parsing.values import Field, as_text, count, host, number, present_fields
from cybersec_assets.flows.readers.base import Reader, each
from cybersec_assets.flows.staging import StagedLog

NEEDED = {"StartTime", "Dur", "Proto", "SrcAddr", "DstAddr", "TotBytes"}
OPTIONAL = {"LastTime", "Sport", "Dport", "State", "TotPkts", "SrcBytes", "DstBytes", "SrcPkts", "DstPkts", "Label"}
RECOGNISED_BY = 3
"""The least number of needed names that make a first line a header."""
MANAGEMENT = "man"
OVER_UDP = ("rtp", "rtcp", "udt")
"""Names that Argus gives as the protocol of a flow over UDP."""


def scan(log: StagedLog) -> pl.LazyFrame:
    """Read a file lazily.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN, a record for each line.

    Raises:
        UnreadableLogError: A required column is missing.
    """
    separator = separator_of(log, NEEDED)
    header = header_of(log, separator)
    require_columns(log, header, NEEDED - ({"Dur"} if "LastTime" in header else set()))
    rows = scan_fields(log, Layout(header, "SrcAddr", separator), NEEDED | OPTIONAL)
    is_management = pl.col("row_error").is_null() & (pl.col("Proto") == MANAGEMENT)
    flows = log.line_counts.skip(rows, pl.when(is_management).then(pl.lit("management")))
    return assemble(flows, _fields(header), row_error=pl.col("row_error"))


def _fields(header: Sequence[str]) -> dict[str, Field]:
    kind = protocol(pl.col("Proto"))
    fields = {
        "timestamp": Field(pl.col("StartTime"), _time("StartTime")),
        "src_ip": host(pl.col("SrcAddr")),
        "dst_ip": host(pl.col("DstAddr")),
        "bytes": count(pl.col("TotBytes")),
        "duration": number(pl.col("Dur"), pl.Float64) if "Dur" in header else _duration(),
        "protocol": kind,
    }
    fields |= _both_ways(header, "Bytes", "bytes") | _both_ways(header, "Pkts", "packets")
    return fields | present_fields(
        {
            "src_port": ("Sport", lambda text: _port(text, kind)),
            "dst_port": ("Dport", lambda text: _port(text, kind)),
            "conn_state": ("State", as_text),
            "label": ("Label", label),
        },
        header,
    )


def _time(name: str) -> pl.Expr:
    return parse_time(pl.col(name).str.replace_all("/", "-", literal=True))


def _duration() -> Field:
    return Field(pl.col("LastTime"), seconds_between(_time("StartTime"), _time("LastTime")))


def _both_ways(header: Sequence[str], unit: str, raw: str) -> dict[str, Field]:
    """Return the fields of both directions; without a column for the response, it is the total minus the request."""
    total = f"Tot{unit}"
    sent = f"Src{unit}"
    received = f"Dst{unit}"
    fields = {}
    if sent in header:
        fields[f"orig_{raw}"] = count(pl.col(sent))
    if received in header:
        fields[f"resp_{raw}"] = count(pl.col(received))
    elif sent in header and total in header:
        whole = count(pl.col(total))
        part = count(pl.col(sent))
        text = pl.concat_str(whole.text, part.text, separator="-")
        fields[f"resp_{raw}"] = Field(text, whole.value - part.value)
    return fields


def _port(text: pl.Expr, kind: Field) -> Field:
    """Return the field of a port. Unless configured to print numbers, `ra` prints the name of a service instead."""
    digits = text.str.extract(r"^(\d+)$")
    return port(digits, kind, (*PORTED, *OVER_UDP))


def recognises(log: StagedLog) -> bool:
    """Return whether the first line has enough of the known names."""
    return len(NEEDED & set(header_of(log, separator_of(log, NEEDED)))) >= RECOGNISED_BY


READER = Reader("argus", recognises, each(scan))
