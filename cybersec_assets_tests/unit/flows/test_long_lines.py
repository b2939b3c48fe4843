"""A line over 1 MiB affects no other line: it is counted by its beginning, or quarantined."""

import json
import tempfile
from pathlib import Path

import polars as pl
import pytest

from cybersec_assets.errors import DamagedLogError, UnreadableLogError
from cybersec_assets.flows.ingest import TOO_LONG, ingest
from cybersec_assets.flows.quarantine import write_quarantine
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.support.flows.delimited_logs import ARGUS, AWS_VPC, NFDUMP, NFDUMP_LATER
from cybersec_assets_tests.support.flows.json_logs import CONN, EVENT, THERE, lines
from cybersec_assets_tests.support.flows.logs import DAY, csv_log, csv_row, here, only, read, write, zeek_log, zeek_row

LONG = 2 << 20
STATS = {"timestamp": EVENT["timestamp"], "event_type": "stats", "stats": {"x": "x" * LONG}}
HTTP = {"_path": "http", "ts": 1, "uri": "x" * LONG}
PAD = " " * LONG
VALUE = "x" * LONG


def count(content):
    """Ingest a file, and return the counts, the rejected lines and the quarantined texts."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        logs = here(FlowSource(str(write(place / "log", content))).logs_of(DAY, place / "logs"))
        ingested = ingest(logs, place / "kept", place / "rejected")
        if not ingested.rejected:
            return ingested, [], []
        write_quarantine(place / "rejected", logs, place / "aside")
        aside = pl.read_parquet(place / "aside")
        return ingested, aside.select("line", "fault").rows(), aside["text"].to_list()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (lines(EVENT, STATS, EVENT), "stats"),
        (lines(STATS, STATS, EVENT, EVENT), "stats"),
        (lines(CONN, HTTP, CONN), "http"),
        (zeek_log(zeek_row(), f"#{VALUE}\n", zeek_row()), "comment"),
        (lines(CONN, PAD, CONN), "blank"),
    ],
)
def test_a_long_line_of_another_kind(content, name):
    ingested, rejected, _ = count(content)
    assert (ingested.rows, rejected) == (2, [])
    assert name in ingested.others


LATE = {"timestamp": "x", "stats": {"event_type": "stats"}, "event_type": "flow", "x": VALUE}
FLOWS = {
    "suricata, flow": lines(EVENT, EVENT | {"x": VALUE}, EVENT),
    "suricata, netflow": lines(EVENT, THERE | {"x": VALUE}, EVENT),
    "suricata, whole before the cut": lines(EVENT, json.dumps(EVENT) + PAD + json.dumps(EVENT), EVENT),
    "suricata, type behind the cut": lines(EVENT, {"x": VALUE} | STATS, EVENT),
    "suricata, type inside of a value": lines(EVENT, LATE, EVENT),
    "suricata, no JSON": lines(EVENT, "\x00" * LONG + json.dumps(EVENT), EVENT),
    "zeek_json": lines(CONN, CONN | {"x": VALUE}, CONN),
    "zeek_json, named": lines(CONN, {"_path": "conn"} | CONN | {"x": VALUE}, CONN),
    "zeek": zeek_log(zeek_row(), zeek_row(resp_pkts="4" + PAD), zeek_row()),
    "csv": csv_log(csv_row(), csv_row(protocol=VALUE), csv_row()),
    "csv, quotes": csv_log(csv_row(protocol='"a\nb"'), csv_row(protocol='"' + VALUE + '"'), csv_row()),
    "argus": ARGUS.log(ARGUS.row(), ARGUS.row({"Label": VALUE}), ARGUS.row()),
    "nfdump": NFDUMP.log(NFDUMP.row(), NFDUMP.row({"tr": VALUE}), NFDUMP.row()),
    "aws_vpc": AWS_VPC.log(AWS_VPC.row(), AWS_VPC.row({"log-status": VALUE}), AWS_VPC.row()),
}


@pytest.mark.parametrize("content", FLOWS.values(), ids=FLOWS)
def test_a_long_line_that_may_be_a_flow_is_quarantined(content):
    """Its beginning is quarantined with its number even if it parses; the records around it are kept."""
    ingested, rejected, texts = count(content)
    number = next(number for number, line in enumerate(content.split("\n"), 1) if len(line) > LONG)
    assert (ingested.rows, rejected) == (2, [(number, TOO_LONG)])
    assert content.split("\n")[number - 1].startswith(texts[0])
    assert 200_000 < len(texts[0]) < 300_000


def test_the_message_says_how_long_a_line_may_be(tmp_path):
    path = write(tmp_path / "log", FLOWS["csv"])
    with pytest.raises(DamagedLogError, match=rf"^{path} line 3: line length is over 1,048,576 bytes; 1 of 3 lines"):
        read(path, share=0.1)


def test_a_long_value_is_quarantined_whole():
    bad = "\x00" * 200_000 + zeek_row()
    _, rejected, texts = count(zeek_log(zeek_row(), bad))
    assert (rejected, texts) == ([(8, "timestamp")], [bad.rstrip("\n")])


def test_a_record_of_several_lines_has_the_number_of_its_first():
    content = csv_log(csv_row(protocol='"a\nb"'), csv_row(bytes="x"), csv_row(duration='"\n\n"'), csv_row(bytes="y"))
    _, rejected, texts = count(content)
    assert rejected == [(4, "bytes"), (5, "duration"), (8, "bytes")]
    assert texts[::2] == [csv_row(bytes="x").rstrip(), csv_row(bytes="y").rstrip()]


@pytest.mark.parametrize("kind", [NFDUMP, NFDUMP_LATER], ids=["tokens", "names"])
def test_nfdump_without_a_header(tmp_path, kind):
    path = write(tmp_path / "log", kind.row())
    with pytest.raises(UnreadableLogError) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(f"{path} looks like nfdump's CSV without its header, as nfdump -q prints it. Run nfdump")
    assert len(said) <= 500
    mapping = json.loads(said.rstrip(".").partition(" to ")[2])
    header = [*kind.record]
    named = {name: header[source["position"] - 1] for name, source in mapping.items()}
    row = only(read(write(path, kind.log(kind.row())))[0])
    assert {named[name] for name in ("timestamp", "bytes", "src_ip")} <= {
        "ts",
        "ibyt",
        "sa",
        "firstSeen",
        "bytes",
        "srcAddr",
    }
    assert all(str(row[name]) == kind.record[named[name]] for name in ("src_ip", "dst_ip", "src_port", "dst_port"))
