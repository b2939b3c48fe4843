"""A good file of each format, and the function of `counts` that counts its records."""

import io
import json

import polars as pl

from cybersec_assets_tests.fuzz.counts import (
    Named,
    count_csv,
    count_json,
    count_named,
    count_nfdump,
    count_zeek,
    is_connection,
    is_flow,
)
from cybersec_assets_tests.fuzz.damage import Sample
from cybersec_assets_tests.support.flows.delimited_logs import ARGUS, AWS_VPC, NFDUMP, NFDUMP_LATER, Kind
from cybersec_assets_tests.support.flows.json_logs import (
    ALERT,
    BACK,
    DNS,
    ECS_CONN,
    ECS_FLOW,
    THERE,
    conn,
    event,
    lines,
)
from cybersec_assets_tests.support.flows.logs import CSV, ZEEK, csv_log, csv_row, zeek_header, zeek_row

TOTALS = "flows,bytes,packets,avg_bps,avg_pps,avg_bpp\n"


def _lines(text: str) -> list[bytes]:
    return text.encode().splitlines()


def _argus() -> Sample:
    own = ARGUS.row({"Proto": "man"})
    named = Named(ARGUS.header().strip(), ",", "SrcAddr", lambda record: record["Proto"].strip(" ") == "man")
    return Sample("argus", ARGUS.header().encode(), _lines(ARGUS.row() * 4 + own + ARGUS.header()), count_named(named))


def _nfdump(kind: Kind, mark: str) -> Sample:
    flows = kind.row() * 6
    about = f"Summary\n{TOTALS}5,1974,17,263,0,116\nNo matched flows\n"
    named = Named(kind.header().strip(), ",", mark)
    return Sample(
        "nfdump", kind.header().encode(), _lines(flows + about + kind.header()), count_nfdump(named, TOTALS.strip())
    )


def _aws_vpc(*, headless: bool) -> Sample:
    """Return flows and a NODATA record, with or without a header."""
    head = "" if headless else AWS_VPC.header()
    nothing = AWS_VPC.row(dict.fromkeys(list(AWS_VPC.record)[3:10], "-") | {"action": "-", "log-status": "NODATA"})
    named = Named(
        AWS_VPC.header().strip(), " ", "srcaddr", lambda record: record["log-status"] in {"NODATA", "SKIPDATA"}
    )
    return Sample("aws_vpc", head.encode(), _lines(AWS_VPC.row() * 4 + nothing + head), count_named(named))


def _zeek() -> Sample:
    """Return flows with a column that is not read: Polars then parses a line less strictly."""
    rows = [zeek_row(), zeek_row(), zeek_row(duration="-", service="-")]
    return Sample(
        "zeek", zeek_header(["local_orig", *ZEEK]).encode(), [f"T\t{row.rstrip()}".encode() for row in rows], count_zeek
    )


def _wrapped(text: str) -> list[bytes]:
    """Return lines with a prefix, and the same lines again as messages of a shipper."""
    prefixed = [b"Jan  1 00:00:00 fw suricata[1]: " + line for line in _lines(text)]
    return prefixed + [json.dumps({"message": line.decode(), "host": "fw"}).encode() for line in prefixed]


def _parquet() -> bytes:
    content = io.BytesIO()
    flow = {name: [value, None, value] for name, value in CSV.items()} | {"bytes": [30, None, 7], "label": [True] * 3}
    pl.DataFrame(flow).write_parquet(content)
    return content.getvalue()


SAMPLES = {
    "argus": _argus(),
    "aws_vpc": _aws_vpc(headless=False),
    "aws_vpc-headless": _aws_vpc(headless=True),
    "csv": Sample(
        "csv",
        csv_log().encode(),
        _lines(csv_row() + csv_row(bytes="", duration="") + csv_row(protocol='"T,C""P"')),
        count_csv,
    ),
    "ecs": Sample("ecs", b"", _lines(lines(ECS_CONN, ECS_FLOW, ECS_FLOW | {"suricata.eve.event_type": "dns"})), None),
    "nfdump": _nfdump(NFDUMP, "sa"),
    "nfdump-later": _nfdump(NFDUMP_LATER, "srcAddr"),
    "parquet": Sample("parquet", _parquet(), [], None),
    "suricata": Sample(
        "suricata",
        b"",
        _lines(lines(event(), event(alerted=True, proto="UDP"), ALERT, {"event_type": "dns"})),
        count_json(is_flow),
    ),
    "suricata-netflow": Sample("suricata", b"", _lines(lines(THERE, BACK, event(), ALERT)), None),
    "suricata-wrapped": Sample("suricata", b"", _wrapped(lines(event(), event(proto="UDP"), ALERT)), None),
    "zeek": _zeek(),
    "zeek_json": Sample(
        "zeek_json", b"", _lines(lines(conn(), conn(), conn(duration=None), DNS)), count_json(is_connection)
    ),
}
"""Samples by name.

There is no simple count for `netflow` events, of which two may be one flow, or for records that follow the rules of
several formats.
"""
