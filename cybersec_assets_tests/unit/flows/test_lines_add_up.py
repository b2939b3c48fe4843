"""Every line of a log is kept, rejected, or counted as another kind of line, by name."""

import io
import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cybersec_assets.errors import LostLinesError, NoFlowLogsError
from cybersec_assets.flows.ingest import ingest, require_flows
from cybersec_assets.flows.line_counts import MAX_NAME_CHARACTERS, MAX_NAMES, OTHER
from cybersec_assets.flows.readers import readers
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.fuzz.damage import damaged_lines
from cybersec_assets_tests.fuzz.samples import SAMPLES
from cybersec_assets_tests.support.flows.delimited_logs import ARGUS, AWS_VPC, NFDUMP
from cybersec_assets_tests.support.flows.json_logs import ALERT, BACK, CONN, DNS, EVENT, THERE, conn, event, lines
from cybersec_assets_tests.support.flows.logs import (
    CSV,
    DAY,
    ZEEK,
    csv_log,
    csv_row,
    examples,
    faults,
    here,
    read,
    write,
    zeek_header,
    zeek_log,
    zeek_row,
)

TEXTS = [name for name, sample in SAMPLES.items() if sample.records]
ODD = [
    b"",
    b" ",
    b"\t",
    b"\r",
    b"# a comment",
    b"{}",
    b'{"a": 1}',
    b"Summary",
    b"a,b,c",
    b'"',
    b"\x01",
    b"\x00" * 9,
    b"-",
]
"""Lines that may be among the records of any format."""


def count(content, fmt="auto", **options):
    """Ingest a file, and return what became of its lines."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        logs = FlowSource(str(write(place / "log", content)), fmt, **options).logs_of(DAY, place / "logs")
        return ingest(here(logs), place / "kept", place / "rejected")


def number_of_lines(content):
    """Return the number of lines of a text; the last need not have a line end."""
    return content.count(b"\n") + (not content.endswith(b"\n"))


@pytest.mark.parametrize("name", TEXTS)
@examples
@given(
    seed=st.integers(0, 2**32),
    odd=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(ODD)), max_size=4),
    end=st.sampled_from([b"\n", b"\r\n"]),
    is_ended=st.booleans(),
)
def test_the_numbers_add_up_to_the_lines(name, seed, odd, end, is_ended):
    """For every text format, good, damaged, blank and other lines add up to the lines of the file."""
    found = damaged_lines(SAMPLES[name], seed)
    for place, line in odd:
        found.insert(place, line)
    body = b"".join(line + end for line in found)
    content = SAMPLES[name].head + (body if is_ended else body.removesuffix(end) or b"x")
    # A further header with other columns may be refused as a whole.
    if name != "zeek" or b"#fields" not in body:
        ingested = count(content, SAMPLES[name].fmt)
        assert ingested.lines == number_of_lines(content)
        assert ingested.kept + ingested.rejected + sum(ingested.others.values()) == ingested.lines


@examples
@given(st.lists(st.sampled_from(["", "10.0.0.1", "x"]), min_size=1, max_size=30))
def test_the_numbers_add_up_to_the_rows_of_parquet(hosts):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        pl.DataFrame([CSV | {"src_ip": host, "timestamp": "x" * (not host)} for host in hosts]).write_parquet(path)
        ingested = count(path.read_bytes())
    assert (ingested.lines, ingested.kept + ingested.rejected, ingested.others) == (len(hosts), len(hosts), {})


def test_every_format_is_counted():
    assert {SAMPLES[name].fmt for name in TEXTS} | {"parquet"} == set(readers())


def test_rows_that_are_read_in_another_process_are_counted(tmp_path):
    path = tmp_path / "log"
    pl.DataFrame([CSV, CSV]).write_parquet(path)
    logs = FlowSource(str(path)).logs_of(DAY, tmp_path / "logs")
    ingested = ingest(logs, tmp_path / "kept", tmp_path / "rejected")
    assert (ingested.lines, ingested.kept, ingested.rejected) == (2, 2, 0)


SWAPPED = zeek_header(reversed(list(ZEEK)))
BAD = csv_row(duration="long")
SUMMARY = "Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n1,2,3,4,5,6\n"
KNOWN = [record | {"flow_id": EVENT["flow_id"]} for record in (THERE, BACK)]
MAN = ARGUS.row({"Proto": "man"})
NODATA = AWS_VPC.row(dict.fromkeys(list(AWS_VPC.record)[3:10], "-") | {"action": "-", "log-status": "NODATA"})
KINDS = {
    "zeek": (
        zeek_log(zeek_row(), "\n", zeek_row(), "#close\tx\n", zeek_row(ts="x")),
        (2, 1, {"comment": 7, "blank": 1}),
    ),
    "zeek, fast path": (zeek_log(zeek_row(), "#close\tx\n"), (1, 0, {"comment": 7})),
    "zeek, two headers": (zeek_log(zeek_row()) + SWAPPED + "#close\tx\n", (1, 0, {"comment": 13})),
    "zeek_json": (
        lines(CONN, "", DNS, conn(_path="http"), conn(ts="x"), "{", {}, conn(_path="http")),
        (1, 2, {"http": 2, "unknown": 2, "blank": 1}),
    ),
    "zeek_json, fast path": (
        lines(CONN, "", DNS, conn(_path="http")),
        (1, 0, {"http": 1, "unknown": 1, "blank": 1}),
    ),
    "suricata": (
        lines(EVENT, ALERT, {"event_type": "stats"}, {}, event(start="x")),
        (1, 1, {"alert": 1, "stats": 1, "unknown": 1}),
    ),
    "suricata, fast path": (
        lines(EVENT, "", ALERT, {"event_type": "stats"}),
        (1, 0, {"alert": 1, "stats": 1, "blank": 1}),
    ),
    "suricata, an event without a type": (lines(EVENT, event(event_type=None), {"src_ip": "10.0.0.1"}), (2, 1, {})),
    "suricata, two lines of one flow": (lines(THERE, BACK, ALERT), (2, 0, {"alert": 1})),
    "suricata, three lines of one flow": (lines(THERE, BACK, THERE | {"src_port": 1}), (3, 0, {})),
    "suricata, two lines of a known flow": (lines(EVENT, *KNOWN), (1, 0, {"netflow": 2})),
    "suricata, a damaged netflow event": (lines(EVENT, {"event_type": "netflow", "flow_id": 9}), (1, 1, {})),
    "suricata, an escaped type": (lines(EVENT, json.dumps(THERE).replace("netflow", "net\\u0066low")), (1, 1, {})),
    "csv": (csv_log(csv_row(), "\n", BAD), (1, 1, {"header": 1, "blank": 1})),
    "csv, rows of nothing but separators": (
        csv_log(csv_row(), ",,,,,\n", ",,\n", " , ,\n"),
        (1, 0, {"header": 1, "blank": 3}),
    ),
    "csv, a row of three lines": (
        csv_log(csv_row(), csv_row(protocol='"a\n\nb"'), BAD),
        (2, 1, {"header": 1, "continuation": 2}),
    ),
    "argus": (
        ARGUS.log(ARGUS.row(), "\n", MAN, ARGUS.header(), ARGUS.row(), "x\n"),
        (2, 1, {"header": 2, "blank": 1, "management": 1}),
    ),
    "nfdump": (NFDUMP.log(NFDUMP.row(), SUMMARY), (1, 0, {"header": 1, "summary": 3})),
    "aws_vpc": (AWS_VPC.log(AWS_VPC.row(), NODATA), (1, 0, {"header": 1, "NODATA": 1})),
}
"""Files of each format with the lines that are kept, the lines that are rejected, and the others by name."""


@pytest.mark.parametrize(("content", "expected"), KINDS.values(), ids=KINDS)
def test_what_a_line_is(content, expected):
    ingested = count(content)
    assert (ingested.kept, ingested.rejected, dict(ingested.others)) == expected


AWS_RECORD = {"srcaddr": "192.0.2.1", "dstaddr": "192.0.2.2", "protocol": 6, "bytes": 9, "start": 9, "end": 10}


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("has_status", [True, False])
def test_records_of_aws_without_a_flow_are_counted(form, has_status):
    idle = {"start": 9, "end": 10}
    records = [AWS_RECORD | {"log_status": "OK"}, idle | {"log_status": "NODATA"}, idle | {"log_status": "SKIPDATA"}]
    table = pl.DataFrame(records, infer_schema_length=None).drop([] if has_status else ["log_status"])
    content = io.BytesIO()
    if form == "csv":
        table.write_csv(content)
    else:
        table.write_parquet(content)
    ingested = count(content.getvalue(), columns="aws_vpc_parquet")
    skipped = {"NODATA": 1, "SKIPDATA": 1} if has_status else {"NODATA": 2}
    headers = {"header": 1} if form == "csv" else {}
    assert (ingested.kept, ingested.rejected, dict(ingested.others)) == (1, 0, skipped | headers)


def test_two_lines_are_one_flow():
    ingested = count(lines(THERE, BACK))
    assert (ingested.rows, ingested.kept, ingested.lines) == (1, 2, 2)


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("name", ["zeek", "zeek_json", "csv"])
def test_a_reader_that_loses_a_record_fails_the_day(tmp_path, name, is_fast):
    """The negative control: if a record is neither kept nor counted, nothing is stored."""
    content = {"zeek": zeek_log(zeek_row(), zeek_row()), "zeek_json": lines(CONN, CONN), "csv": csv_log(csv_row() * 2)}
    logs = here(FlowSource(str(write(tmp_path / "log", content[name]))).logs_of(DAY, tmp_path / "logs"))
    (part,) = logs.parts
    fast_scan = part.fast_scan and (lambda files: part.fast_scan(files).slice(1))
    lossy = replace(part, scan=lambda files: part.scan(files).slice(1), fast_scan=fast_scan if is_fast else None)
    with pytest.raises(LostLinesError, match=r"^\d lines were read from .*log, but \d are accounted for\. Report this"):
        ingest(replace(logs, parts=[lossy]), tmp_path / "kept", tmp_path / "rejected")


HOSTILE = [
    "x" * 200,
    "\x00",
    "10.0.0.1",
    "fe80::1",
    "stats\n",
    "",
    "\ud800",
    "<script>",
    5,
    ["a"],
    *map("e{}".format, range(99)),
]


def test_names_are_short_and_limited_in_number():
    """A name from a log is a short identifier, and one of a limited number; any other is counted as `other`."""
    others = count(lines(EVENT, *({"event_type": name} for name in HOSTILE))).others
    assert sum(others.values()) == len(HOSTILE)
    assert len(others) <= MAX_NAMES + 1
    assert others[OTHER] > 9
    assert all(re.fullmatch(r"[A-Za-z][\w-]*", name) and len(name) <= MAX_NAME_CHARACTERS for name in others)


TRIMMED = {
    name: value for name, value in CONN.items() if name not in {"conn_state", "history", "missed_bytes", "orig_pkts"}
}
ATTEMPT = {name: CONN[name] for name in ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto")}
HTTP = ATTEMPT | {"trans_depth": 1, "method": "GET", "host": "example.org", "request_body_len": 0, "status_code": 200}


@examples
@given(
    dropped=st.sets(st.sampled_from([name for name in CONN if name not in {"ts", "id.orig_h", "id.resp_h", "proto"}])),
    spelling=st.sampled_from([".", "_"]),
    beside=st.lists(st.sampled_from([CONN, HTTP, DNS, {}]), max_size=3),
)
@example(dropped=set(CONN) - set(TRIMMED), spelling=".", beside=[CONN, HTTP])
@example(dropped=set(CONN) - set(ATTEMPT), spelling=".", beside=[CONN, HTTP])
def test_a_trimmed_connection_is_kept(dropped, spelling, beside):
    """A connection from which a log filter removed fields is kept if it has what a flow needs."""
    record = {name.replace(".", spelling): value for name, value in CONN.items() if name not in dropped}
    ingested = count(lines(record, *beside))
    assert (ingested.rows, ingested.rejected) == (1 + beside.count(CONN), 0)


@pytest.mark.parametrize("name", ["ts", "id.orig_h", "id.resp_h", "proto"])
@pytest.mark.parametrize("record", [CONN, TRIMMED, ATTEMPT], ids=["whole", "trimmed", "attempt"])
def test_a_connection_that_lacks_what_a_flow_needs_is_rejected(tmp_path, record, name):
    damaged = {key: value for key, value in record.items() if key != name}
    kept, rejected = read(write(tmp_path / "log", lines(CONN, damaged, HTTP)))
    assert (kept.height, [line for line, *_ in faults(rejected)]) == (1, [2])


@pytest.mark.parametrize(
    ("content", "fmt", "said"),
    [
        (
            lines(ALERT, ALERT, {"event_type": "stats"}),
            "auto",
            "none of the 3 lines is a flow (2 alert, 1",
        ),
        (lines(DNS | {"_path": "dns"}), "zeek_json", "none of the 1 lines is a flow (1 dns). Point"),
        (AWS_VPC.log(NODATA), "auto", "none of the 2 lines is a flow (1 NODATA). Point"),
    ],
)
def test_a_day_without_any_flow_is_rejected(content, fmt, said):
    with pytest.raises(NoFlowLogsError, match=f"^{re.escape(said)}"):
        require_flows(count(content, fmt))


@pytest.mark.parametrize("content", [zeek_log(), csv_log("\n"), lines(EVENT, ALERT), csv_log(BAD)])
def test_a_day_without_traffic_is_allowed(content):
    """A log with only headers is a day without traffic, and damaged lines have an error of their own."""
    assert require_flows(count(content)) is None
