"""Argus flows as `ra` prints them, and as CTU-13 has them."""

import datetime as dt
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.delimited_logs import ARGUS, Kind
from cybersec_assets_tests.support.flows.logs import examples, faults, only, read, write

RA = """\
StartTime,LastTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,TotPkts,TotBytes,SrcBytes,DstBytes,SrcPkts,DstPkts,Label
1713484800.000000,1713484799.999261,0.000739,man,0,0,,0,0,STA,0,0,0,0,0,0,
1713484800.943239,1713484801.643239,0.700000,tcp,10.0.0.1,50000,   ->,10.0.0.2,80,FIN,8,832,370,462,5,3,
1713484801.943239,1713484801.943239,0.000000,udp,2001:db8::1,5353,   ->,2001:db8::2,53,INT,1,72,72,0,1,0,
1713484802.943239,1713484803.043239,0.100000,icmp,10.0.0.1,0x0008,  <->,10.0.0.2,0x3412,ECO,2,164,82,82,1,1,
1713484803.943239,1713484803.943239,0.000000,arp,10.0.0.1,,  who,10.0.0.2,,INT,1,42,42,0,1,0,
1713484806.943239,1713484806.943239,0.000000,lldp,00:11:22:33:44:55,0,   ->,66:77:88:99:aa:bb,0,INT,1,94,94,0,1,0,
1713484899.527578,1713484800.523383,1.004195,man,0,0,,24,1,STP,0,10947040,0,0,0,10,
"""
"""The output of `ra -n -u -c ,` of Argus 3.0.8 for a capture with one flow of each kind."""


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "capture.binetflow"


def test_a_line_of_ctu_13_becomes_a_record(log):
    """Each column becomes its raw column; the volume of the response is the total minus the request."""
    kept, rejected = read(write(log, ARGUS.log(ARGUS.row())))
    assert rejected.is_empty()
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": dt.datetime(2024, 4, 19, 9, 46, 53, 47_277, tzinfo=dt.UTC),
        "src_ip": "212.50.71.179",
        "src_port": 39_678,
        "dst_ip": "147.32.84.229",
        "dst_port": 13_363,
        "protocol": "udp",
        "duration": 3550.182373,
        "bytes": 875,
        "orig_bytes": 413,
        "resp_bytes": 875 - 413,
        "conn_state": "CON",
    }


def test_what_ra_prints_is_read(log):
    """Epoch times, counts of both directions, other hosts and empty labels are read; management records are not."""
    kept, rejected = read(write(log, RA))
    assert rejected.is_empty()
    assert kept["protocol"].to_list() == ["tcp", "udp", "icmp", "arp", "lldp"]
    assert kept["timestamp"][0] == dt.datetime(2024, 4, 19, 0, 0, 0, 943_239, tzinfo=dt.UTC)
    assert kept.select("src_port", "dst_port").rows() == [(50_000, 80), (5353, 53), *[(None, None)] * 3]
    assert kept.select("bytes", "orig_bytes", "resp_bytes").sum().rows() == [(1204, 660, 544)]
    assert kept.select("orig_packets", "resp_packets").sum().rows() == [(9, 4)]
    assert kept["src_ip"][4] == "00:11:22:33:44:55"
    assert kept["label"].null_count() == kept.height


def test_the_duration_may_come_from_the_last_time(log):
    fields = {"LastTime" if name == "Dur" else name: value for name, value in ARGUS.record.items()}
    later = Kind("argus", fields | {"LastTime": "2024/04/19 09:46:54.547277"}, (), ())
    kept, _ = read(write(log, later.log(later.row(), later.row({"LastTime": ""}))))
    assert kept["duration"].to_list() == [1.5, None]


def test_a_record_of_argus_itself_under_another_header_is_counted(log):
    """Where fields have another meaning, no line is known to be a management record."""
    other = Kind("argus", dict(reversed(ARGUS.record.items())), (), ())
    text = ARGUS.log(ARGUS.row({"Proto": "man"})) + other.log(other.row({"TotBytes": "man"}))
    kept, rejected = read(write(log, text), "argus")
    assert (kept.height, faults(rejected)) == (0, [(3, "header", ""), (4, "header", "")])


@pytest.mark.parametrize(
    ("label", "verdict"),
    [
        ("flow=From-Botnet-V42-TCP-CC16-HTTP-Not-Encrypted", True),
        ("flow=From-Botnet-V50-7-TCP-Attempt-SPAM", True),
        ("flow=To-Botnet-V48-TCP", True),
        ("flow=From-Normal-V42-Stribrek", False),
        ("flow=To-Normal-V42-UDP-NTP-server", False),
        ("flow=Normal-V42-HTTP-windowsupdate", False),
        ("flow=Background", None),
        ("flow=Background-Established-cmpgw-CVUT", None),
        ("flow=Background-google-analytics14", None),
        ("flow=From-Background-CVUT-Proxy", None),
        ("flow=To-Background-UDP-CVUT-DNS-Server", None),
        ("flow=Backgrund-TCP-Attempt", None),
        ("", None),
    ],
)
def test_labels_of_ctu_13(log, label, verdict):
    kept, rejected = read(write(log, ARGUS.log(ARGUS.row({"Label": label}))))
    assert (only(kept)["label"], rejected.height) == (verdict, 0)


@pytest.mark.parametrize(
    ("proto", "port", "read_as"),
    [
        ("tcp", "80", 80),
        ("tcp", "http", None),
        ("tcp", "", None),
        ("tcp", "0x0050", None),
        ("rtp", "5004", 5004),
        ("icmp", "0x0303", None),
        ("icmp", "8", None),
        ("17", "53", 53),
    ],
)
def test_an_invalid_port_is_null(log, proto, port, read_as):
    kept, rejected = read(write(log, ARGUS.log(ARGUS.row({"Proto": proto, "Dport": port}))))
    assert (only(kept)["dst_port"], rejected.height) == (read_as, 0)


def test_a_request_larger_than_the_total_is_an_error(log):
    """If the request has more than the total, the response would be negative."""
    _, rejected = read(write(log, ARGUS.log(ARGUS.row({"SrcBytes": "876"}))))
    assert faults(rejected) == [(2, "resp_bytes", "875-876")]


words = st.text("ABCS_xyz0", max_size=6)
counts = st.integers(0, 2**61)
flows = st.fixed_dictionaries(
    {
        "StartTime": st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)),  # noqa: DTZ001 - naive is UTC
        "Dur": st.none() | st.floats(0, 1e9),
        "Proto": st.sampled_from(["tcp", "UDP"]),
        "SrcAddr": st.ip_addresses().map(str) | st.just("00:11:22:33:44:55"),
        "DstAddr": st.ip_addresses().map(str),
        "Sport": st.none() | st.integers(0, 65_535),
        "Dport": st.none() | st.integers(0, 65_535),
        "State": words,
        "SrcBytes": counts,
        "DstBytes": counts,
        "SrcPkts": st.none() | counts,
        "Label": st.sampled_from(["flow=From-Botnet-V42-1", "flow=Normal-V42", "flow=Background", ""]),
        "srcUdata": st.text(st.characters(exclude_characters=",", exclude_categories=["Cs", "Cc"]), max_size=6),
    }
)
VERDICTS = {"flow=From-Botnet-V42-1": True, "flow=Normal-V42": False}
TIMES = ["%Y/%m/%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%fZ"]


def written(flow, time):
    """Return a flow's fields as `ra` writes them."""
    whole = {"TotBytes": flow["SrcBytes"] + flow["DstBytes"], "StartTime": flow["StartTime"].strftime(time)}
    return {name: "" if value is None else str(value) for name, value in (flow | whole).items()}


def expected(flow, names):
    """Return the record that a flow must become."""
    return dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": flow["StartTime"].replace(tzinfo=dt.UTC),
        "src_ip": flow["SrcAddr"],
        "dst_ip": flow["DstAddr"],
        "bytes": flow["SrcBytes"] + flow["DstBytes"],
        "duration": flow["Dur"],
        "protocol": flow["Proto"].lower(),
        "src_port": flow["Sport"],
        "dst_port": flow["Dport"],
        "conn_state": flow["State"] or None,
        "orig_bytes": flow["SrcBytes"] if "SrcBytes" in names else None,
        "resp_bytes": flow["DstBytes"] if {"SrcBytes", "DstBytes"} & set(names) else None,
        "orig_packets": flow["SrcPkts"],
        "label": VERDICTS.get(flow["Label"]),
    }


@examples
@given(
    st.lists(flows, max_size=6),
    st.permutations(["StartTime", "Dur", "Proto", "SrcAddr", "DstAddr", "Sport", "Dport", "State", "SrcPkts", "Label"]),
    st.sampled_from([["TotBytes"], ["TotBytes", "SrcBytes"], ["SrcBytes", "srcUdata", "DstBytes", "TotBytes"]]),
    st.sampled_from(TIMES),
)
def test_what_argus_writes_is_read_back(flows, names, more, time):
    names = [*more, *names]
    lines = [names, *([written(flow, time)[name] for name in names] for flow in flows)]
    with tempfile.TemporaryDirectory() as folder:
        text = "".join(",".join(line) + "\n" for line in lines)
        kept, rejected = read(write(Path(folder) / "flows", text), "argus")
    assert kept.rows(named=True) == [expected(flow, names) for flow in flows]
    assert rejected.is_empty()
