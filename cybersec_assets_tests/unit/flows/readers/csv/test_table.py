"""CSV with the raw schema's column names."""

import csv
import datetime as dt
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.logs import CSV, csv_log, csv_row, examples, faults, find, only, read, write


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "flows.csv"


def test_a_row_becomes_a_record(log):
    kept, rejected = read(write(log, csv_log(csv_row())))
    assert rejected.is_empty()
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": dt.datetime(2024, 4, 19, 10, 0, 0, 1, tzinfo=dt.UTC),
        "src_ip": "10.0.0.1",
        "dst_ip": "10.0.0.2",
        "bytes": 30,
        "duration": 1.5,
        "protocol": "tcp",
    }


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=6).filter(
    lambda text: text == text.strip(" \t")
)
flows = st.fixed_dictionaries(
    {
        "timestamp": st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)),  # noqa: DTZ001 - naive is UTC
        "src_ip": st.ip_addresses().map(str),
        "dst_ip": st.ip_addresses().map(str),
        "bytes": st.none() | st.integers(0, 2**63 - 1),
        "duration": st.none() | st.floats(0, 1e9),
        "protocol": st.sampled_from(["tcp", "udp"]),
        "service": st.none() | texts,
        "label": st.none() | st.booleans(),
        "alerted": st.none() | st.booleans(),
        "src_port": st.none() | st.integers(0, 65_535),
        "note": texts,
    }
)


@examples
@given(
    st.lists(flows, max_size=6),
    st.permutations([*CSV, "service", "label", "alerted", "src_port", "note"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
)
def test_what_a_csv_writer_writes_is_read_back(flows, names, quoting, packed):
    text = io.StringIO()
    writer = csv.DictWriter(text, names, quoting=quoting, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flows)
    with tempfile.TemporaryDirectory() as folder:
        kept, rejected = read(write(Path(folder) / "flows.csv", text.getvalue(), packed=packed))
    assert rejected.is_empty()
    assert kept.rows(named=True) == [
        dict.fromkeys(RAW_SCHEMA)
        | {name: value for name, value in flow.items() if name != "note"}
        | {"timestamp": flow["timestamp"].replace(tzinfo=dt.UTC)}
        for flow in flows
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("timestamp", "today"),
        ("timestamp", "2024-04-19"),
        ("timestamp", "20240419100000"),
        ("src_ip", "10.0.0.1 x"),
        ("bytes", "many"),
        ("bytes", "1.5"),
        ("bytes", str(2**63)),
        ("duration", "nan"),
        ("duration", "inf"),
        ("duration", "1e999"),
        ("duration", "1s"),
    ],
)
def test_a_value_that_does_not_parse_is_an_error(log, column, value):
    kept, rejected = read(write(log, csv_log(csv_row(), csv_row(**{column: value}), csv_row())))
    assert kept.height == 2
    assert only(rejected) == {"file": str(log), "line": 3, "fault": column, "value": value}


@pytest.mark.parametrize("column", ["timestamp", "src_ip", "dst_ip", "protocol"])
@pytest.mark.parametrize("value", ["", '""'])
def test_a_row_without_a_required_value_is_an_error(log, column, value):
    _, rejected = read(write(log, csv_log(csv_row(**{column: value}))))
    assert faults(rejected) == [(2, column, "")]


@pytest.mark.parametrize("value", ["", '""'])
def test_empty_volumes_are_unset(log, value):
    kept, _ = read(write(log, csv_log(csv_row(bytes=value, duration=value))))
    assert (only(kept)["bytes"], only(kept)["duration"]) == (None, None)


def test_a_row_with_too_many_fields_is_an_error(log):
    """A surplus field rejects its row, as another field may have shifted."""
    kept, rejected = read(write(log, csv_log(csv_row(), csv_row(protocol="tcp,x"), csv_row(protocol="tcp,x,y"))))
    assert (kept.height, faults(rejected)) == (1, [(3, "number of fields", ""), (4, "number of fields", "")])


def test_a_cut_row_is_an_error(log):
    header = "timestamp,src_ip,dst_ip,protocol,bytes,duration\n"
    rows = "2024-04-19T10:00:00Z,10.0.0.1,10.0.0.2,tcp,1234,\n", "2024-04-19T10:00:00Z,10.0.0.1,10.0.0.2,tcp,12\n"
    kept, rejected = read(write(log, header + "".join(rows)))
    assert (kept["bytes"].to_list(), faults(rejected)) == ([1234], [(3, "number of fields", "")])


def test_a_blank_line_is_skipped_and_shifts_no_number(log):
    _, rejected = read(write(log, csv_log(csv_row(), "\n", csv_row(bytes="x"))))
    assert faults(rejected) == [(4, "bytes", "x")]


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("note", ["\x01", "\x01x", "x\x01", "\x01\x01", "\x01\x02", "x\x01y"])
@pytest.mark.parametrize("first", [True, False])
def test_a_control_character_is_text_like_any_other(log, quote, note, first):
    """In a column that is not read, any character is allowed."""
    text = csv_log(csv_row(), csv_row())
    beside = ["note", *[f"{quote}{note}{quote}"] * 2]
    lines = [
        f"{value},{line}" if first else f"{line},{value}" for value, line in zip(beside, text.splitlines(), strict=True)
    ]
    kept, rejected = read(write(log, "\n".join(lines)))
    assert (kept.height, rejected.height) == (2, 0)


@pytest.mark.parametrize("line", ["\x01", " \x01", "\x01\x02"])
def test_a_line_of_control_characters_is_not_blank(log, line):
    kept, rejected = read(write(log, csv_log(csv_row(), line + "\n")))
    assert (kept.height, faults(rejected)) == (1, [(3, "number of fields", "")])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.removesuffix("\n"),
        lambda text: text.replace(",", ", ", 5),
        lambda text: '"' + text.replace(",", '","', 5).replace("\n", '"\n', 1),
    ],
    ids=["byte order mark", "CRLF", "no end", "blanks", "quotes"],
)
def test_variants_of_csv_have_the_same_values(log, change):
    kept, rejected = read(write(log, change(csv_log(csv_row(), csv_row(protocol="udp")))))
    assert (kept["protocol"].to_list(), kept["bytes"].to_list(), rejected.height) == (["tcp", "udp"], [30, 30], 0)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_header_alone_has_no_records(log, end):
    assert read(write(log, ",".join(CSV) + end))[0].height == 0


@pytest.mark.parametrize("column", list(CSV))
def test_a_file_without_a_required_column_is_rejected(log, column):
    write(log, ",".join(name for name in CSV if name != column) + "\n")
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column {column}\. Add it to the log, remove"):
        find(log)


def test_names_in_upper_case_are_rejected(log):
    write(log, csv_log(csv_row()).upper())
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column bytes, .+, timestamp\. Add it to the log"):
        find(log, "csv")


@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda text: "\ufeff" + text,
        lambda text: text.replace(",", ", "),
        lambda text: text.replace(",", "|"),
        lambda text: '"' + text.replace(",", '","', 5).replace("\n", '"\n', 1),
    ],
    ids=["plain", "byte order mark", "blanks", "bars", "quotes"],
)
def test_a_header_again_is_counted(log, change):
    text = change(csv_log(csv_row()))
    kept, rejected = read(write(log, text + text))
    assert (kept.height, rejected.height) == (2, 0)


def test_a_row_with_one_column_name_is_not_a_header(log):
    """A row is a header only if each column that is read has its own name as its value."""
    kept, rejected = read(write(log, csv_log(csv_row(), csv_row(timestamp="timestamp", src_ip="src_ip"))))
    assert (kept.height, faults(rejected)) == (1, [(3, "timestamp", "timestamp")])


@pytest.mark.parametrize("between", [", ", " ,", "\t, ", "| ", "|", "; ", ";", " \t "])
def test_blanks_around_values_do_not_count(log, between):
    kept, rejected = read(write(log, csv_log(csv_row(), csv_row(src_ip="a b")).replace(",", between)))
    assert only(kept) == only(read(write(log, csv_log(csv_row())))[0])
    assert faults(rejected) == [(3, "src_ip", "a b")]


def test_separators_within_quotes_do_not_count(log):
    kept, _ = read(write(log, f'{",".join(CSV)},"a|b|c|d|e|f|g|h"\n{csv_row().strip()},x\n'))
    assert kept.height == 1


@pytest.mark.parametrize("names", ["timestamp,src_ip", "protocol;x;dst_ip", "a\tsrc_ip\tprotocol"])
def test_a_header_with_two_required_names_is_csv(log, names):
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column bytes, "):
        find(write(log, names + "\n"))


@pytest.mark.parametrize("names", ["bytes,duration", "timestamp,bytes,duration", "src_ip;dst_ip,bytes,a", "a,b"])
def test_other_headers_are_not_csv(log, names):
    """Other formats have volumes, too, so they and one more name are not enough."""
    with pytest.raises(UnreadableLogError, match=rf"^{log} is not a flow log of a known format"):
        find(write(log, names + "\n"))


@pytest.mark.parametrize(("value", "expected"), [("12.0", 12), ("12.", 12), ("12.000", 12), ("0.0", 0), ("+12", 12)])
def test_a_whole_number_may_have_a_fraction_of_zero(log, value, expected):
    assert only(read(write(log, csv_log(csv_row(bytes=value))))[0])["bytes"] == expected


@pytest.mark.parametrize(
    "value", ["12.5", "12.0.0", ".0", ".", "1e3", "12,0", "0x10", "12.00000000000000000001", f"{2**63}.0"]
)
def test_a_count_that_is_not_a_whole_number_is_an_error(log, value):
    text = csv_log(csv_row(bytes=f'"{value}"'))
    assert faults(read(write(log, text))[1]) == [(2, "bytes", value)]


def test_time_zones_may_be_mixed_in_one_column(log):
    ways = [
        "2024-04-19T10:00:00Z",
        "2024-04-19 10:00:00",
        "2024-04-19T12:00:00+02:00",
        "2024-04-19 04:30:00.000-0530",
        "2024-04-19T19:00:00.000000000+09",
        "1713520800",
        "1713520800.0",
    ]
    kept, rejected = read(write(log, csv_log(*(csv_row(timestamp=way) for way in ways))))
    assert (kept["timestamp"].to_list(), rejected.height) == ([dt.datetime(2024, 4, 19, 10, tzinfo=dt.UTC)] * 7, 0)
