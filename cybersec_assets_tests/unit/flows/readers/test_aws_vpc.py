"""AWS VPC flow logs."""

import datetime as dt
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.delimited_logs import AWS_VPC, Kind
from cybersec_assets_tests.support.flows.logs import MIDNIGHT, examples, faults, only, read, write

DEFAULT = list(AWS_VPC.record)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NO_DATA = f"2 123456789010 eni-1235b8ca123456789 - - - - - - - {MIDNIGHT} {MIDNIGHT + 58} - NODATA\n"
SKIPPED = NO_DATA.replace("NODATA", "SKIPDATA")


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "vpcflowlogs.log"


@pytest.mark.parametrize("header", ["", AWS_VPC.header()], ids=["without a header", "with one"])
def test_a_line_becomes_a_record(log, header):
    kept, rejected = read(write(log, header + AWS_VPC.row()))
    assert rejected.is_empty()
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": dt.datetime(2024, 4, 19, 0, 0, 10, tzinfo=dt.UTC),
        "src_ip": "172.31.16.139",
        "src_port": 20_641,
        "dst_ip": "172.31.16.21",
        "dst_port": 22,
        "protocol": "tcp",
        "duration": 60.0,
        "bytes": 4249,
        "orig_bytes": 4249,
        "orig_packets": 20,
        "conn_state": "ACCEPT",
    }


@pytest.mark.parametrize("header", ["", AWS_VPC.header()], ids=["without a header", "with one"])
def test_records_without_a_flow_are_skipped(log, header):
    kept, rejected = read(write(log, header + NO_DATA + AWS_VPC.row() + SKIPPED))
    assert (kept.height, rejected.height) == (1, 0)


def test_a_damaged_line_with_status_nodata_is_rejected(log):
    _, rejected = read(write(log, AWS_VPC.log("x " + NO_DATA, NO_DATA.replace(" NODATA", ""), NO_DATA)))
    assert faults(rejected) == [(2, "number of fields", ""), (3, "number of fields", "")]


@pytest.mark.parametrize("name", ["srcaddr", "dstaddr"])
def test_an_invalid_address_is_an_error(log, name):
    kept, rejected = read(write(log, AWS_VPC.log(AWS_VPC.row({name: "172.31.16.1390"}), AWS_VPC.row())))
    column = {"srcaddr": "src_ip", "dstaddr": "dst_ip"}[name]
    assert (kept.height, faults(rejected)) == (1, [(2, column, "172.31.16.1390")])


CUSTOM = {
    "vpc-id": "vpc-abcdefab012345678",
    "subnet-id": "subnet-aaaaaaaa012345678",
    "start": f"{MIDNIGHT}",
    "end": f"{MIDNIGHT + 1}",
    "bytes": "100",
    "pkt-srcaddr": "10.0.0.9",
    "dstaddr": "2001:db8::2",
    "srcaddr": "2001:db8::1",
    "protocol": "58",
    "tcp-flags": "0",
}


def test_a_custom_list_is_read_by_its_header(log):
    kind = Kind("aws_vpc", CUSTOM, (), (), " ")
    kept, rejected = read(write(log, kind.log(kind.row()) + kind.log(kind.row())))
    assert (kept.height, rejected.height) == (2, 0)
    assert kept.rows(named=True)[1] == dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": dt.datetime(2024, 4, 19, tzinfo=dt.UTC),
        "src_ip": "2001:db8::1",
        "dst_ip": "2001:db8::2",
        "protocol": "ipv6-icmp",
        "duration": 1.0,
        "bytes": 100,
        "orig_bytes": 100,
    }


def test_without_a_status_empty_records_are_skipped(log):
    """A custom format may omit the status. Then a record without any value of a flow is skipped."""
    kind = Kind("aws_vpc", CUSTOM, (), (), " ")
    nothing = dict.fromkeys(["bytes", "srcaddr", "dstaddr", "protocol"], "-")
    kept, rejected = read(write(log, kind.log(kind.row(nothing), kind.row(), kind.row(nothing | {"bytes": "5"}))))
    assert (kept.height, faults(rejected)) == (1, [(4, "src_ip", "")])


def test_without_a_status_a_damaged_line_is_counted(log):
    """A line that does not parse has no values either, but is not skipped."""
    kind = Kind("aws_vpc", CUSTOM, (), (), " ")
    _, rejected = read(write(log, kind.log(kind.row()[:40] + "\n", kind.row()[:9] + "\n")))
    assert faults(rejected) == [(2, "number of fields", ""), (3, "number of fields", "")]


def test_unset_fields_are_null(log):
    unset = dict.fromkeys(["srcport", "dstport", "packets", "bytes", "end", "action"], "-")
    record = only(read(write(log, AWS_VPC.log(AWS_VPC.row(unset))))[0])
    names = ["src_port", "dst_port", "orig_packets", "bytes", "orig_bytes", "duration", "conn_state"]
    assert [record[name] for name in names] == [None] * 7


@pytest.mark.parametrize(
    ("number", "name", "port"),
    [
        ("6", "tcp", 22),
        ("17", "udp", 22),
        ("132", "sctp", 22),
        ("1", "icmp", None),
        ("58", "ipv6-icmp", None),
        ("47", "gre", None),
        ("50", "esp", None),
        ("0", "hopopt", None),
        ("253", "253", None),
    ],
)
def test_protocols_have_their_names(log, number, name, port):
    record = only(read(write(log, AWS_VPC.log(AWS_VPC.row({"protocol": number}))))[0])
    assert (record["protocol"], record["dst_port"]) == (name, port)


def test_files_with_and_without_a_header_may_be_joined(log):
    kept, rejected = read(write(log, AWS_VPC.row() + AWS_VPC.log(AWS_VPC.row())))
    assert (kept.height, rejected.height) == (2, 0)


counts = st.integers(0, 2**63 - 1)
records = st.fixed_dictionaries(
    {
        "srcaddr": st.ip_addresses().map(str),
        "dstaddr": st.ip_addresses().map(str),
        "srcport": st.none() | st.integers(0, 65_535),
        "dstport": st.none() | st.integers(0, 65_535),
        "protocol": st.sampled_from([6, 17]),
        "packets": st.none() | counts,
        "bytes": st.none() | counts,
        "start": st.integers(0, 2**32),
        "end": st.integers(0, 2**16),
        "action": st.sampled_from(["ACCEPT", "REJECT", None]),
        "log-status": st.just("OK"),
    }
)


def written(record):
    """Return a record's fields as AWS writes them."""
    said = dict(AWS_VPC.record) | record | {"end": record["start"] + record["end"]}
    return {name: "-" if value is None else str(value) for name, value in said.items()}


def expected(record):
    """Return the record of the raw layer."""
    return dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": EPOCH + dt.timedelta(seconds=record["start"]),
        "src_ip": record["srcaddr"],
        "dst_ip": record["dstaddr"],
        "bytes": record["bytes"],
        "duration": float(record["end"]),
        "protocol": {6: "tcp", 17: "udp"}[record["protocol"]],
        "src_port": record["srcport"],
        "dst_port": record["dstport"],
        "conn_state": record["action"],
        "orig_bytes": record["bytes"],
        "orig_packets": record["packets"],
    }


@examples
@given(st.lists(records, min_size=1, max_size=6), st.permutations(DEFAULT), st.sampled_from(["", NO_DATA]))
def test_what_aws_writes_is_read_back(records, names, empty):
    with tempfile.TemporaryDirectory() as folder:
        for header, fields in ((True, names), (True, DEFAULT), (False, DEFAULT)):
            lines = [fields] * header + [[written(record)[name] for name in fields] for record in records]
            text = "".join(" ".join(line) + "\n" for line in lines) + (empty if fields is DEFAULT else "")
            kept, rejected = read(write(Path(folder) / "flows", text))
            assert kept.rows(named=True) == [expected(record) for record in records]
            assert rejected.is_empty()
