"""NetFlow as nfdump prints it."""

import datetime as dt
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.delimited_logs import NFDUMP, NFDUMP_LATER, Kind
from cybersec_assets_tests.support.flows.logs import examples, faults, find, only, read, write

TOTALS = "flows,bytes,packets,avg_bps,avg_pps,avg_bpp\n"
SUMMARY = f"Summary\n{TOTALS}5,1974,17,263,0,116\n"
NOTHING = f"No matched flows\nSummary\n{TOTALS}0,0,0,0,0,0\n"


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "flows.csv"


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
@pytest.mark.parametrize("kind", [NFDUMP, NFDUMP_LATER], ids=["tokens", "longer names"])
def test_other_separators_change_nothing(log, kind, separator):
    text = kind.log(kind.row()) + SUMMARY
    expected, _ = read(write(log, text))
    kept, rejected = read(write(log, text.replace(",", separator)))
    assert (kept.rows(), rejected.height) == (expected.rows(), 0)


def test_a_line_becomes_a_record(log):
    kept, rejected = read(write(log, NFDUMP.log(NFDUMP.row()) + SUMMARY))
    assert rejected.is_empty()
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": dt.datetime(2024, 4, 19, 0, 0, 1, tzinfo=dt.UTC),
        "src_ip": "10.0.0.1",
        "src_port": 50_000,
        "dst_ip": "10.0.0.2",
        "dst_port": 443,
        "protocol": "tcp",
        "duration": 2.5,
        "bytes": 2100,
        "orig_bytes": 1500,
        "resp_bytes": 600,
        "orig_packets": 10,
        "resp_packets": 4,
    }


def test_a_line_of_later_versions_becomes_a_record(log):
    kept, rejected = read(write(log, NFDUMP_LATER.log(NFDUMP_LATER.row()) + SUMMARY), "nfdump")
    assert rejected.is_empty()
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": dt.datetime(2024, 4, 19, 0, 0, 1, 943_000, tzinfo=dt.UTC),
        "src_ip": "2001:db8::1",
        "src_port": 50_000,
        "dst_ip": "2001:db8::2",
        "dst_port": 443,
        "protocol": "tcp",
        "duration": 2.5,
        "bytes": 1500,
        "orig_bytes": 1500,
        "orig_packets": 10,
    }


def test_the_fast_format_is_read(log):
    text = (
        "cnt,af,firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,srcAS,dstAS,input,output,flags,srcTos,packets,"
        "bytes\n1,2,1713484801943,1713484804443,17,10.0.0.1,5353,8.8.8.8,53,0,0,1,2,........,0,2,130\n"
    )
    record = only(read(write(log, text), "nfdump")[0])
    assert record["timestamp"] == dt.datetime(2024, 4, 19, 0, 0, 1, 943_000, tzinfo=dt.UTC)
    assert (record["duration"], record["protocol"], record["bytes"], record["dst_port"]) == (2.5, "udp", 130, 53)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_summary_is_neither_a_flow_nor_a_fault(log, end):
    text = NFDUMP.log(NFDUMP.row()) + SUMMARY + NFDUMP.header() + NOTHING + NFDUMP.log(NFDUMP.row()) + SUMMARY
    kept, rejected = read(write(log, text.removesuffix("\n") + end))
    assert (kept.height, rejected.height) == (2, 0)


def test_sums_without_a_summary_are_rejected(log):
    """A line that only looks like the sums of the summary is damaged."""
    text = NFDUMP.log("5,1974,17,263,0,116\n", NFDUMP.row()) + TOTALS + NFDUMP.row()
    kept, rejected = read(write(log, text))
    assert (kept.height, faults(rejected)) == (2, [(2, "number of fields", "")])


def test_a_statistic_is_rejected(log):
    """A list of the busiest addresses has no flows; the missing columns are named."""
    write(log, "ts,te,td,pr,val,fl,flP,ipkt,ipktP,ibyt,ibytP,ipps,ibps,ibpp\n")
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column da, sa\."):
        find(log)


@pytest.mark.parametrize(
    ("proto", "name", "port"),
    [
        ("ICMP", "icmp", "8.0"),
        ("ICMP", "icmp", "2048"),
        ("1", "icmp", "8.0"),
        ("ICMP6", "ipv6-icmp", "128.0"),
        ("58", "ipv6-icmp", "128.0"),
        ("GRE", "gre", "0"),
        ("253  ", "253", "0"),
    ],
)
def test_protocols_without_ports_have_none(log, proto, name, port):
    record = only(read(write(log, NFDUMP.log(NFDUMP.row({"pr": proto, "dp": port}))))[0])
    assert (record["protocol"], record["src_port"], record["dst_port"]) == (name, None, None)


PROTOCOLS = {"6": "tcp", "17": "udp", "TCP": "tcp", "UDP  ": "udp", "132": "sctp"}
counts = st.integers(0, 2**61)
flows = st.fixed_dictionaries(
    {
        "ts": st.integers(10**12, 2**32 * 1000),
        "td": st.none() | st.integers(0, 10**9),
        "sa": st.ip_addresses().map(str),
        "da": st.ip_addresses().map(str),
        "pr": st.sampled_from(sorted(PROTOCOLS)),
        "sp": st.integers(0, 65_535),
        "dp": st.integers(0, 65_535),
        "ibyt": counts,
        "obyt": counts,
        "ipkt": counts,
        "opkt": st.none() | counts,
    }
)
LATER = {
    "ts": "firstSeen",
    "td": "duration",
    "pr": "proto",
    "sa": "srcAddr",
    "da": "dstAddr",
    "sp": "srcPort",
    "dp": "dstPort",
    "ipkt": "inPackets",
    "ibyt": "inBytes",
    "opkt": "outPackets",
    "obyt": "outBytes",
}


def moment(flow):
    """Return the time at which a flow began."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=flow["ts"])


def written(flow):
    """Return a flow's fields as nfdump writes them."""
    seconds = flow["td"] is not None and f"{flow['td'] // 1000}.{flow['td'] % 1000:03d}"
    time = moment(flow).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    said = flow | {"ts": time, "td": seconds or None, "fl": 1}
    return {name: "" if value is None else str(value) for name, value in said.items()}


def expected(flow):
    """Return the record that a flow must become."""
    return dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": moment(flow),
        "src_ip": flow["sa"],
        "dst_ip": flow["da"],
        "bytes": flow["ibyt"] + flow["obyt"],
        "duration": flow["td"] and flow["td"] / 1000,
        "protocol": PROTOCOLS[flow["pr"]],
        "src_port": flow["sp"],
        "dst_port": flow["dp"],
        "orig_bytes": flow["ibyt"],
        "resp_bytes": flow["obyt"],
        "orig_packets": flow["ipkt"],
        "resp_packets": flow["opkt"],
    }


@examples
@given(st.lists(flows, max_size=6), st.permutations([*LATER, "fl"]), st.booleans(), st.sampled_from(["", SUMMARY]))
def test_what_nfdump_writes_is_read_back(flows, names, later, summary):
    header = [LATER.get(name, name) if later else name for name in names]
    rows = [",".join(written(flow)[name] for name in names) for flow in flows]
    with tempfile.TemporaryDirectory() as folder:
        text = "".join(f"{line}\n" for line in [",".join(header), *rows])
        kept, rejected = read(write(Path(folder) / "flows", text + summary), "nfdump")
    assert kept.rows(named=True) == [expected(flow) for flow in flows]
    assert rejected.is_empty()


def test_a_missing_direction_is_null(log):
    one_way = {name: value for name, value in NFDUMP.record.items() if name not in {"opkt", "obyt"}}
    kind = Kind("nfdump", one_way, (), ())
    record = only(read(write(log, kind.log(kind.row())))[0])
    assert (record["bytes"], record["resp_bytes"], record["resp_packets"]) == (1500, None, None)


@pytest.mark.parametrize(
    "first",
    [
        "Date first seen          Duration Proto      Src IP Addr:Port          Dst IP Addr:Port   Packets    Bytes",
        "2024-04-19 10:00:00.000     1.500 TCP         10.0.0.1:50000 ->         10.0.0.2:443         3       30     1",
    ],
)
def test_the_text_output_is_rejected_by_name(tmp_path, first):
    with pytest.raises(UnreadableLogError, match=r"looks like nfdump's text output\. Run nfdump with -o csv"):
        find(write(tmp_path / "log", first + "\n"))


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_a_file_without_a_header_is_named_whatever_its_separator(tmp_path, separator):
    line = "2024-04-19 10:00:00.000,1.500,TCP,10.0.0.1,50000,10.0.0.2,443,3,30,1\n"
    path = write(tmp_path / "log", line.replace(",", separator))
    with pytest.raises(UnreadableLogError, match="without its header") as refused:
        find(path)
    mapping = str(refused.value).partition("FLOWS_COLUMNS to ")[2].removesuffix(".")
    assert read(path, columns=mapping)[0]["bytes"].to_list() == [30]
