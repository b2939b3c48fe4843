"""CSV with a mapping of its columns."""

import datetime as dt
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.logs import (
    csv_log,
    csv_row,
    examples,
    faults,
    find,
    only,
    read,
    write,
    zeek_log,
    zeek_row,
)

NAMELESS = "10.0.0.1,10.0.0.2,tcp,10,20,1.5\n"
NUMBERS = "timestamp='2024-04-19',src_ip=#1,dst_ip=#2,protocol=#3,bytes=#4+#5,duration=#6"
FOREIGN = "when,from,to,sent,received,dur,protocol,note\n"
NAMES = "timestamp=when,src_ip=from,dst_ip=to,bytes=sent+received,duration=dur"


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "flows.csv"


def test_mapped_columns_make_a_record(log):
    """Columns without a mapping are read under their own names."""
    kept, _ = read(write(log, f"{FOREIGN}2024-04-19 10:00:00,10.0.0.1,10.0.0.2,10,20,1.5,UDP,x\n"), columns=NAMES)
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": dt.datetime(2024, 4, 19, 10, tzinfo=dt.UTC),
        "src_ip": "10.0.0.1",
        "dst_ip": "10.0.0.2",
        "bytes": 30,
        "duration": 1.5,
        "protocol": "udp",
    }


@pytest.mark.parametrize("begin", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_numbered_columns_make_records_of_every_line(log, begin, end):
    text = begin + (NAMELESS + NAMELESS.replace("tcp", "udp")).replace("\n", end)
    kept, rejected = read(write(log, text), columns=NUMBERS)
    assert (kept["src_ip"].to_list(), kept["protocol"].to_list()) == (["10.0.0.1"] * 2, ["tcp", "udp"])
    assert (kept["bytes"].to_list(), kept["duration"].to_list(), rejected.height) == ([30, 30], [1.5, 1.5], 0)
    assert kept["timestamp"].unique().to_list() == [dt.datetime(2024, 4, 19, tzinfo=dt.UTC)]


def test_a_fault_in_a_file_without_header_names_its_line(log):
    text = NAMELESS.replace("10,20", "x,20") + NAMELESS + NAMELESS.replace("10.0.0.2", "")
    assert faults(read(write(log, text), columns=NUMBERS)[1]) == [(1, "bytes", "x+20"), (3, "dst_ip", "")]


terms = st.none() | st.integers(-2, 2**63 + 1) | st.sampled_from([2**62, 2**63 - 1])


@examples
@given(st.lists(st.tuples(terms, terms, terms), min_size=1, max_size=6))
def test_a_sum_ignores_unset_terms(rows):
    lines = [f"10.0.0.1,10.0.0.2,tcp,{','.join('' if n is None else str(n) for n in row)}\n" for row in rows]
    columns = "timestamp='2024-04-19',src_ip=#1,dst_ip=#2,protocol=#3,duration='',bytes=#4+#5+#6"
    with tempfile.TemporaryDirectory() as folder:
        kept, rejected = read(write(Path(folder) / "log", "".join(lines)), columns=columns)
    known = [[n for n in row if n is not None] for row in rows]
    good = [all(0 <= n < 2**63 for n in row) and sum(row) < 2**63 for row in known]
    assert kept["bytes"].to_list() == [
        sum(row) if row else None for row, is_good in zip(known, good, strict=True) if is_good
    ]
    assert faults(rejected) == [
        (line, "bytes", "+".join(map(str, row)))
        for line, (row, is_good) in enumerate(zip(known, good, strict=True), 1)
        if not is_good
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1s", "1e308"])
def test_an_invalid_sum_of_seconds_is_an_error(log, value):
    columns = NUMBERS.replace("bytes=#4+#5,duration=#6", "bytes=#4,duration=#5+#6")
    text = NAMELESS.replace("20,1.5", f"{value},1.5e308")
    assert faults(read(write(log, text), columns=columns)[1]) == [(1, "duration", f"{value}+1.5e308")]


@pytest.mark.parametrize("separator", ["\t", ";"])
def test_the_separator_is_detected_in_the_first_line(log, separator):
    text = csv_log(csv_row(protocol="a,b")).replace(",", separator).replace(f"a{separator}b", "a,b")
    assert only(read(write(log, text))[0])["protocol"] == "a,b"
    assert only(read(write(log, NAMELESS.replace(",", separator)), columns=NUMBERS)[0])["bytes"] == 30


@pytest.mark.parametrize(
    ("columns", "missing"),
    [(NAMES, "when"), (NUMBERS, "#6"), ("bytes=b+'1'", "b"), ('bytes="a b"', "a b")],
)
def test_a_mapped_column_that_a_file_lacks_is_named(log, columns, missing):
    write(log, csv_log(csv_row()) if columns != NUMBERS else NAMELESS.replace(",1.5", ""))
    with pytest.raises(
        UnreadableLogError,
        match=rf"^{log} has no column {missing}, which FLOWS_COLUMNS names\. Correct FLOWS_COLUMNS, or",
    ):
        find(log, columns=columns)


def test_a_required_column_that_is_not_mapped_is_named(log):
    with pytest.raises(
        UnreadableLogError,
        match=rf"^{log} has no column duration\. Add it to the log, .+ map it in FLOWS_COLUMNS",
    ):
        find(write(log, NAMELESS), columns=NUMBERS.replace(",duration=#6", ""))


def test_a_duplicate_column_is_rejected(log):
    """If two columns have a name that is needed, neither is used; other names may be repeated."""
    twice = FOREIGN.replace("note", "note,note")
    assert read(write(log, twice), columns=NAMES)[0].is_empty()
    write(log, FOREIGN.replace("note", "dur"))
    with pytest.raises(UnreadableLogError, match=rf"^{log} has more than one column dur\. Rename all of them but one"):
        find(log, columns=NAMES)


def test_a_mapping_takes_precedence_over_detection(log):
    """Argus' CSV has a reader of its own, but a mapping takes precedence."""
    names = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label\n"
    row = "2011/08/10 09:46:53,1.5,tcp,10.0.0.1,1577,<?>,10.0.0.2,6881,SPA,0,0,4,276,156,flow=Background\n"
    columns = "timestamp='2011-08-10',src_ip=SrcAddr,dst_ip=DstAddr,protocol=Dir,bytes=SrcBytes,duration=Dur"
    flow = only(read(write(log, names + row), columns=columns)[0])
    assert (flow["protocol"], flow["bytes"], flow["label"]) == ("<?>", 156, None)


def test_with_a_mapping_another_format_is_rejected_by_its_columns(log):
    """With a mapping, a file is CSV or Parquet; for a Zeek log, the missing column is named."""
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column sbytes, which FLOWS_COLUMNS names"):
        find(write(log, zeek_log(zeek_row())), columns="bytes=sbytes")


def test_a_missing_column_with_a_hostile_name_is_quoted(tmp_path):
    path = write(tmp_path / "flows.csv", "a,b\n1,2\n")
    with pytest.raises(UnreadableLogError, match=r"has no column 'x{80}…' \(300 characters\), which FLOWS_COLUMNS"):
        find(path, columns=json.dumps({"timestamp": "x" * 300}))
