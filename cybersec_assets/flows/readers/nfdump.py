"""Read NetFlow v5, v9 and IPFIX as nfdump prints them with `-o csv`, with a header.

The columns are nfdump's format tokens: https://manpages.ubuntu.com/manpages/noble/en/man1/nfdump.1.html. Up to version
1.7.3 the header has the tokens themselves. Later versions have longer names, as in
https://github.com/phaag/nfdump/blob/master/src/output/output_csv.c, and protocol numbers; `-o csv-fast` has times in
milliseconds. nfdump prints local time: run it with `TZ=UTC`. The summary at the end is not a flow. nfdump writes
commas; files whose commas were replaced with tabs, semicolons or vertical bars are supported as well.
"""

import json
import re
from collections.abc import Collection, Sequence

import polars as pl

from cybersec_assets.flows.parsing.delimited import Layout, header_of, scan_fields, separator_of
from cybersec_assets.flows.parsing.lines import scan_lines
from cybersec_assets.flows.parsing.protocols import port, protocol
from cybersec_assets.flows.parsing.records import assemble, require_columns
from cybersec_assets.flows.parsing.times import parse_time, seconds_between
from cybersec_assets.flows.parsing.values import Field, count, host, number, present_fields, volume
from cybersec_assets.flows.readers.base import Reader, each
from cybersec_assets.flows.staging import StagedLog

TOKENS = {
    "firstSeen": "ts",
    "lastSeen": "te",
    "duration": "td",
    "proto": "pr",
    "srcAddr": "sa",
    "dstAddr": "da",
    "srcPort": "sp",
    "dstPort": "dp",
    "packets": "ipkt",
    "inPackets": "ipkt",
    "bytes": "ibyt",
    "inBytes": "ibyt",
    "outPackets": "opkt",
    "outBytes": "obyt",
}
"""The tokens by the longer names of later versions."""
NEEDED = {"ts", "td", "pr", "sa", "da", "ibyt"}
OPTIONAL = {"te", "sp", "dp", "ipkt", "opkt", "obyt"}
RECOGNISED_BY = 3
"""The least number of these names that make a first line a header."""
REMARK = r"^(Summary|No match(ed|ing) flows?)$"
"""A line of the summary that is not a table."""
TOTALS = ("flows", "bytes", "packets", "avg_bps", "avg_pps", "avg_bpp")
"""The header of the summary's table; the line below it has a number for each name."""


def scan(log: StagedLog) -> pl.LazyFrame:
    """Read a file lazily.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN, a record for each line.

    Raises:
        UnreadableLogError: A required column is missing.
    """
    separator = _separator(log)
    header = header_of(log, separator)
    names = _names(header)
    require_columns(log, list(names), NEEDED - ({"td"} if "te" in names else set()))
    wanted = {names[token]: token for token in NEEDED | OPTIONAL if token in names}
    rows = scan_fields(log, Layout(header, names["sa"], separator), wanted, remark=_remark(log, separator))
    return assemble(rows.rename(wanted), _fields(names), row_error=pl.col("row_error"))


def _separator(log: StagedLog) -> str:
    return separator_of(log, NEEDED | OPTIONAL | set(TOKENS))


def _names(header: Sequence[str]) -> dict[str, str]:
    """Return the header's name of each token that it has."""
    return {TOKENS.get(name, name): name for name in header}


def _remark(log: StagedLog, separator: str) -> pl.Expr:
    """Return the name of a line of the summary; null for any other line."""
    text = pl.col("text").fill_null("")
    header = text == separator.join(TOTALS)
    numbers = "^" + re.escape(separator).join(len(TOTALS) * [r"\d+"]) + "$"
    # Find these lines beforehand: with `shift`, Polars would keep all other columns in memory.
    totals = scan_lines(log).filter(header).select(pl.col("line") + 1).collect(engine="streaming")["line"]
    sums = text.str.contains(numbers) & pl.col("line").is_in(totals.implode())
    return pl.when(text.str.contains(REMARK) | header | sums).then(pl.lit("summary"))


def _fields(names: Collection[str]) -> dict[str, Field]:
    kind = protocol(pl.col("pr"))
    sent = count(pl.col("ibyt"))
    received = count(pl.col("obyt") if "obyt" in names else pl.lit(None, pl.String))
    fields = {
        "timestamp": Field(pl.col("ts"), parse_time(pl.col("ts"))),
        "src_ip": host(pl.col("sa")),
        "dst_ip": host(pl.col("da")),
        "bytes": volume(sent, received),
        "duration": number(pl.col("td"), pl.Float64) if "td" in names else _duration(),
        "protocol": kind,
        "orig_bytes": sent,
        "resp_bytes": received,
    }
    return fields | present_fields(
        {
            "src_port": ("sp", lambda text: port(text, kind)),
            "dst_port": ("dp", lambda text: port(text, kind)),
            "orig_packets": ("ipkt", count),
            "resp_packets": ("opkt", count),
        },
        names,
    )


def _duration() -> Field:
    return Field(pl.col("te"), seconds_between(parse_time(pl.col("ts")), parse_time(pl.col("te"))))


def recognises(log: StagedLog) -> bool:
    """Return whether the first line has enough of the known names."""
    return len(_names(header_of(log, _separator(log))).keys() & (NEEDED | OPTIONAL)) >= RECOGNISED_BY


TIME = r"\d{4}-\d\d-\d\d [\d:.]+"
HOST = r"[\w.:]+"
HEADLESS = (
    (
        re.compile(rf"{TIME},{TIME}, *[\d.]+, *{HOST}, *{HOST}, *\d+, *[\d.]+, *\w+,"),
        ("timestamp", "", "duration", "src_ip", "dst_ip", "src_port", "dst_port", "protocol", *[""] * 4, "bytes"),
    ),
    (
        re.compile(rf"{TIME}, *[\d.]+, *\w+, *{HOST}, *\d+, *{HOST}, *[\d.]+, *\d+, *\d+"),
        ("timestamp", "duration", "protocol", "src_ip", "src_port", "dst_ip", "dst_port", "", "bytes"),
    ),
)
"""Patterns of a flow as versions up to 1.7.3 and later ones print it, with the raw column at each position."""


def headless_mapping(log: StagedLog) -> str | None:
    """Return a FLOWS_COLUMNS for a file that nfdump printed without a header; None for any other file."""
    first = re.sub(r" *[\t;|] *", ",", log.first_lines[0])
    for line, names in HEADLESS:
        if line.match(first):
            mapping = {name: {"position": place} for place, name in enumerate(names, 1) if name}
            return json.dumps(mapping, separators=(",", ":"))
    return None


def is_text_output(log: StagedLog) -> bool:
    """Return whether a file is nfdump's human-readable output, without `-o csv`."""
    return re.match(rf"Date (first|flow) |{TIME} .* -> ", log.first_lines[0]) is not None


READER = Reader("nfdump", recognises, each(scan))
