"""The presets of FLOWS_COLUMNS on files that follow the public descriptions of each data set."""

import datetime as dt
import json
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.day import Day
from cybersec_assets.flows.parsing.presets import presets
from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.logs import DAY, MIDNIGHT, faults, find, only, read, write

MIDNIGHT_OF_DAY = dt.datetime.combine(DAY, dt.time(), dt.UTC)
CIC_2017 = {
    "Flow ID": "192.0.2.1-198.51.100.7-443-50000-6",
    " Source IP": "192.0.2.1",
    " Source Port": "50000",
    " Destination IP": "198.51.100.7",
    " Destination Port": "443",
    " Protocol": "6",
    " Timestamp": "19/04/2024 08:55:58",
    " Flow Duration": "1500001",
    " Total Fwd Packets": "3",
    " Total Backward Packets": "2",
    "Total Length of Fwd Packets": "100.0",
    " Total Length of Bwd Packets": "50.0",
    " Label": "BENIGN",
}
CIC_4 = {
    "Flow ID": "x",
    "Src IP": "192.0.2.1",
    "Src Port": "50000",
    "Dst IP": "198.51.100.7",
    "Dst Port": "443",
    "Protocol": "6",
    "Timestamp": "19/04/2024 08:55:58 AM",
    "Flow Duration": "1500001",
    "Tot Fwd Pkts": "3",
    "Tot Bwd Pkts": "2",
    "TotLen Fwd Pkts": "100",
    "TotLen Bwd Pkts": "50",
    "Label": "BENIGN",
}
LATER = {
    "Tot Fwd Pkts": "Total Fwd Packet",
    "Tot Bwd Pkts": "Total Bwd packets",
    "TotLen Fwd Pkts": "Total Length of Fwd Packet",
    "TotLen Bwd Pkts": "Total Length of Bwd Packet",
}
CIC_LATER = {LATER.get(name, name): value for name, value in CIC_4.items()}
CIC_FLOW = {
    "timestamp": dt.datetime(2024, 4, 19, 8, 55, 58, tzinfo=dt.UTC),
    "src_ip": "192.0.2.1",
    "src_port": 50_000,
    "dst_ip": "198.51.100.7",
    "dst_port": 443,
    "protocol": "tcp",
    "duration": 1.500001,
    "bytes": 150,
    "orig_bytes": 100,
    "resp_bytes": 50,
    "orig_packets": 3,
    "resp_packets": 2,
    "label": False,
}
NETFLOW = {
    "IPV4_SRC_ADDR": "192.0.2.1",
    "L4_SRC_PORT": "50000",
    "IPV4_DST_ADDR": "198.51.100.7",
    "L4_DST_PORT": "443",
    "PROTOCOL": "17",
    "L7_PROTO": "7.0",
    "IN_BYTES": "100",
    "IN_PKTS": "3",
    "OUT_BYTES": "50",
    "OUT_PKTS": "2",
    "FLOW_DURATION_MILLISECONDS": "4294952",
    "Label": "0",
    "Attack": "Benign",
}
NETFLOW_FLOW = CIC_FLOW | {"timestamp": MIDNIGHT_OF_DAY, "protocol": "udp", "duration": 4_294.952}
UNSW = {
    "srcip": "192.0.2.1",
    "sport": "50000",
    "dstip": "198.51.100.7",
    "dsport": "443",
    "proto": "tcp",
    "state": "FIN",
    "dur": "1.5",
    "sbytes": "100",
    "dbytes": "50",
    **{f"x{number}": "0" for number in range(10, 14)},
    "service": "-",
    "Sload": "1",
    "Dload": "1",
    "Spkts": "3",
    "Dpkts": "2",
    **{f"x{number}": "0" for number in range(19, 29)},
    "Stime": str(MIDNIGHT),
    "Ltime": str(MIDNIGHT + 1),
    **{f"x{number}": "0" for number in range(31, 48)},
    "attack_cat": "",
    "Label": "0",
}
UNSW_FLOW = CIC_FLOW | {"timestamp": MIDNIGHT_OF_DAY, "duration": 1.5, "conn_state": "FIN"}
UNSW_SET = {"id": "1"} | {
    name.lower(): value
    for name, value in UNSW.items()
    if name not in {"srcip", "sport", "dstip", "dsport", "Stime", "Ltime"}
}
NO_PLACE = {"src_ip": "0.0.0.0", "dst_ip": "0.0.0.0"}
UNSW_SET_FLOW = UNSW_FLOW | NO_PLACE | {"src_port": None, "dst_port": None}
KDD = {"duration": "2", "protocol_type": "tcp", "service": "http", "flag": "SF", "src_bytes": "100", "dst_bytes": "50"}
KDD |= {f"x{number}": "0" for number in range(7, 42)} | {"label": "normal", "difficulty": "21"}
KDD_FLOW = {
    "timestamp": MIDNIGHT_OF_DAY,
    **NO_PLACE,
    "protocol": "tcp",
    "service": "http",
    "conn_state": "SF",
    "duration": 2.0,
    "bytes": 150,
    "orig_bytes": 100,
    "resp_bytes": 50,
    "label": False,
}
AWS = {
    "version": "2",
    "account_id": "123456789012",
    "interface_id": "eni-0123456789abcdef0",
    "srcaddr": "192.0.2.1",
    "dstaddr": "198.51.100.7",
    "srcport": "443",
    "dstport": "1024",
    "protocol": "6",
    "packets": "3",
    "bytes": "100",
    "start": str(MIDNIGHT),
    "end": str(MIDNIGHT + 5),
    "action": "ACCEPT",
    "log_status": "OK",
}
AWS_FLOW = {
    "timestamp": MIDNIGHT_OF_DAY,
    "src_ip": "192.0.2.1",
    "dst_ip": "198.51.100.7",
    "src_port": 443,
    "dst_port": 1024,
    "protocol": "tcp",
    "duration": 5.0,
    "bytes": 100,
    "orig_bytes": 100,
    "orig_packets": 3,
    "conn_state": "ACCEPT",
}


def without(row, *names):
    """Return a row without some of its columns."""
    return {name: value for name, value in row.items() if name.strip() not in names}


STYLES = {
    "CICIDS2017": ("cicflowmeter", CIC_2017, CIC_FLOW),
    "CICFlowMeter 4": ("cicflowmeter", CIC_4, CIC_FLOW),
    "CICFlowMeter, later": ("cicflowmeter", CIC_LATER, CIC_FLOW),
    "CICDDoS2019": ("cicflowmeter", CIC_2017 | {" Timestamp": "2024-04-19 08:55:58.000000"}, CIC_FLOW),
    "CSE-CIC-IDS2018": (
        "cicflowmeter",
        without(CIC_4, "Flow ID", "Src IP", "Src Port", "Dst IP"),
        CIC_FLOW | NO_PLACE | {"src_port": None},
    ),
    "NF-v2": ("netflow_v2", NETFLOW, NETFLOW_FLOW),
    "NF-v2, without packets": (
        "netflow_v2",
        without(NETFLOW, "IN_PKTS", "OUT_PKTS", "Label"),
        NETFLOW_FLOW | {"orig_packets": None, "resp_packets": None},
    ),
    "NF-v3": (
        "netflow_v2",
        NETFLOW | {"FLOW_START_MILLISECONDS": str(MIDNIGHT * 1_000 + 7), "FLOW_END_MILLISECONDS": "0"},
        NETFLOW_FLOW | {"timestamp": MIDNIGHT_OF_DAY + dt.timedelta(milliseconds=7)},
    ),
    "UNSW-NB15": ("unsw_nb15", UNSW, UNSW_FLOW),
    "UNSW-NB15, training": ("unsw_nb15", UNSW_SET, UNSW_SET_FLOW),
    "NSL-KDD, named": ("nsl_kdd", KDD, KDD_FLOW),
    "AWS": ("aws_vpc_parquet", AWS, AWS_FLOW),
    "AWS, by hyphens": ("aws_vpc_parquet", without(AWS, "log_status") | {"log-status": "OK"}, AWS_FLOW),
    "AWS, few fields": (
        "aws_vpc_parquet",
        without(AWS, "version", "account_id", "interface_id", "srcport", "dstport", "packets", "action", "log_status"),
        AWS_FLOW | dict.fromkeys(["src_port", "dst_port", "orig_packets", "conn_state"]),
    ),
}
HEADLESS = {
    "UNSW-NB15": ("unsw_nb15", UNSW, UNSW_FLOW),
    "NSL-KDD": ("nsl_kdd", KDD, KDD_FLOW),
    "KDD Cup 99": ("nsl_kdd", without(KDD, "difficulty"), KDD_FLOW),
}


@pytest.mark.parametrize(("preset", "row", "flow"), STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("typed", [False, True], ids=["CSV", "Parquet"])
def test_each_style_of_header_gives_the_same_flow(tmp_path, preset, row, flow, typed):
    path = tmp_path / "flows"
    text = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
    if typed:
        pl.read_csv(text.encode()).write_parquet(path)
    else:
        write(path, text)
    kept, rejected = read(path, columns=preset)
    assert rejected.is_empty()
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | flow


@pytest.mark.parametrize(("preset", "row", "flow"), HEADLESS.values(), ids=HEADLESS)
@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_a_file_without_a_header_becomes_flows(tmp_path, preset, row, flow, begin):
    kept, rejected = read(write(tmp_path / "flows", begin + (",".join(row.values()) + "\n") * 2), columns=preset)
    assert rejected.is_empty()
    assert kept.to_dicts() == [dict.fromkeys(RAW_SCHEMA) | flow] * 2


@pytest.mark.parametrize(
    ("preset", "row", "names", "missing"),
    [
        ("cicflowmeter", CIC_2017, ["Timestamp"], "Timestamp"),
        ("cicflowmeter", CIC_2017, ["Destination IP"], "Destination IP"),
        ("cicflowmeter", CIC_4, ["Src IP"], "Src IP"),
        ("cicflowmeter", CIC_4, ["TotLen Bwd Pkts"], "TotLen Bwd Pkts"),
        ("netflow_v2", NETFLOW, ["FLOW_DURATION_MILLISECONDS"], "FLOW_DURATION_MILLISECONDS"),
        ("unsw_nb15", UNSW, ["dur"], "dur"),
        ("nsl_kdd", KDD, ["src_bytes"], "src_bytes"),
        ("aws_vpc_parquet", AWS, ["end"], "end"),
    ],
)
def test_a_preset_names_the_column_that_a_file_lacks(tmp_path, preset, row, names, missing):
    row = without(row, *names)
    path = write(tmp_path / "flows", ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    with pytest.raises(UnreadableLogError, match=rf"^{path} has no column {missing}, which the preset {preset} needs"):
        find(path, columns=preset)


@pytest.mark.parametrize(
    ("name", "remedy"), [("bytes", '"bytes": SOURCE, "orig_bytes": SOURCE'), ("srcaddr", '"src_ip": SOURCE')]
)
def test_a_remedy_names_the_raw_columns_whose_source_is_missing(tmp_path, name, remedy):
    row = without(AWS, name)
    path = write(tmp_path / "flows", ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    with pytest.raises(UnreadableLogError, match=rf'{{"preset": "aws_vpc_parquet", {remedy}}}'):
        find(path, columns="aws_vpc_parquet")


def test_the_durations_of_another_tool_are_not_read_as_microseconds(tmp_path):
    """The Python port of CICFlowMeter writes seconds as `flow_duration`, which the preset does not map."""
    path = write(tmp_path / "flows", "src_ip,dst_ip,protocol,timestamp,flow_duration,totlen_fwd_pkts,totlen_bwd_pkts\n")
    with pytest.raises(UnreadableLogError, match=r"has no column .*Flow Duration"):
        find(path, columns="cicflowmeter")


def test_one_address_column_does_not_make_a_file_without_addresses(tmp_path):
    """The error names the missing address and not the one that is there."""
    row = without(UNSW, "srcip")
    path = write(tmp_path / "flows", ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    with pytest.raises(UnreadableLogError, match=r"has no column srcip, which the preset unsw_nb15 needs"):
        find(path, columns="unsw_nb15")


def test_large_counts_of_cicflowmeter_are_whole(tmp_path):
    """Java writes floats from ten million on with an exponent. Fractions and inexact numbers are rejected."""
    counts = ["1.291E7", "6.5545303E8", "1.2910001E7", "1.0E16", "1.5E0", "1.0E99"]
    rows = [CIC_4 | {"TotLen Fwd Pkts": count, "TotLen Bwd Pkts": "0"} for count in counts]
    text = "".join(",".join(row) + "\n" for row in [list(CIC_4), *(row.values() for row in rows)])
    kept, rejected = read(write(tmp_path / "flows", text), columns="cicflowmeter")
    assert kept["orig_bytes"].to_list() == [12_910_000, 655_453_030, 12_910_001]
    assert [value for _, _, value in faults(rejected)] == ["1.0E16+0", "1.5E0+0", "1.0E99+0"]


def test_a_document_overrides_columns_of_a_preset(tmp_path):
    row = NETFLOW | {"verdict": "malicious"}
    path = write(tmp_path / "flows", ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    document = {"preset": "netflow_v2", "timestamp": {"value": "2020-02-02T02:02:02"}, "label": "verdict"}
    kept, _ = read(path, columns=json.dumps(document))
    changed = {"timestamp": dt.datetime(2020, 2, 2, 2, 2, 2, tzinfo=dt.UTC), "label": True}
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | NETFLOW_FLOW | changed


def test_a_document_supplies_a_column_that_a_file_lacks(tmp_path):
    row = without(CIC_2017, "Protocol")
    path = write(tmp_path / "flows", ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    kept, _ = read(path, columns='{"preset": "cicflowmeter", "protocol": {"value": "udp"}}')
    assert only(kept)["protocol"] == "udp"


def test_the_date_in_a_time_is_the_day_of_the_partition(tmp_path):
    path = write(tmp_path / "flows", ",".join(KDD.values()) + "\n")
    kept, _ = read(path, columns='{"preset": "nsl_kdd", "timestamp": {"value": "{date}T12:00:00+02:00"}}')
    assert only(kept)["timestamp"] == MIDNIGHT_OF_DAY + dt.timedelta(hours=10)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Auckland", "Pacific/Kiritimati"])
def test_flows_without_times_belong_to_the_day_in_its_zone(tmp_path, zone):
    path = write(tmp_path / "flows", ",".join(KDD.values()) + "\n")
    day = Day(DAY, ZoneInfo(zone))
    kept, _ = read(path, columns="nsl_kdd", zone=day.zone)
    assert only(kept)["timestamp"] == day.begin
    assert kept.select(day.holds(pl.col("timestamp"))).item()


@pytest.mark.parametrize("port", ["0x000b", "-", "2048"])
def test_the_port_columns_of_icmp_are_ignored(tmp_path, port):
    """UNSW-NB15 writes hexadecimal codes there. A dash is an unset port for every protocol."""
    rows = [UNSW | {"proto": "icmp", "sport": port}, UNSW | {"sport": "-"}, UNSW | {"sport": "0x000b"}]
    kept, rejected = read(
        write(tmp_path / "f", "".join(",".join(row.values()) + "\n" for row in rows)), columns="unsw_nb15"
    )
    assert kept["src_port"].to_list() == [None, None]
    assert faults(rejected) == [(3, "src_port", "0x000b")]


AWS_TYPES = {"version": pl.Int32, "srcport": pl.Int32, "dstport": pl.Int32, "protocol": pl.Int32} | dict.fromkeys(
    ["packets", "bytes", "start", "end"], pl.Int64
)
NOTHING = dict.fromkeys(["srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action"])


def aws_parquet(path, *rows, drop=()):
    """Write Parquet with the types of AWS."""
    table = pl.DataFrame([AWS | row for row in rows], infer_schema_length=None)
    table.cast({name: dtype for name, dtype in AWS_TYPES.items() if name in table.columns}).drop(drop).write_parquet(
        path
    )
    return path


CUSTOM = ["version", "account_id", "interface_id", "srcport", "dstport", "packets", "action"]


@pytest.mark.parametrize(
    ("fmt", "columns"),
    [("auto", None), ("auto", "aws_vpc_parquet"), ("parquet", None), ("parquet", "aws_vpc_parquet"), ("aws_vpc", None)],
)
@pytest.mark.parametrize("drop", [[], ["log_status"], CUSTOM, [*CUSTOM, "log_status"]])
def test_aws_parquet_is_recognized_by_its_columns(tmp_path, fmt, columns, drop):
    """Records without a flow are skipped."""
    idle = [NOTHING | {"log_status": status} for status in ("NODATA", "SKIPDATA", "nodata", "SkipData")]
    path = aws_parquet(tmp_path / "log.parquet", {}, *idle, {"bytes": "101"}, drop=drop)
    kept, rejected = read(path, fmt, columns=columns)
    assert (kept["bytes"].to_list(), kept["duration"].to_list(), rejected.height) == ([100, 101], [5.0, 5.0], 0)
    assert kept["protocol"].to_list() == ["tcp", "tcp"]


def test_damaged_records_of_aws_are_rejected_and_not_skipped(tmp_path):
    path = aws_parquet(
        tmp_path / "log", NOTHING | {"log_status": "NODATA"}, {"srcaddr": None}, {"end": str(MIDNIGHT - 1)}
    )
    kept, rejected = read(path)
    assert kept.is_empty()
    assert faults(rejected) == [(2, "src_ip", ""), (3, "duration", f"{MIDNIGHT} to {MIDNIGHT - 1}")]


def test_icmp_of_aws_has_no_ports_and_a_dash_is_unset(tmp_path):
    idle = {"srcaddr": "-", "dstaddr": "-", "protocol": None, "bytes": None, "log_status": "NODATA"}
    kept, rejected = read(aws_parquet(tmp_path / "log", {"protocol": "1", "srcport": "0", "dstport": "8"}, idle))
    assert (only(kept)["src_port"], only(kept)["dst_port"], rejected.height) == (None, None, 0)


def test_names_of_the_raw_layer_take_precedence_over_those_of_aws(tmp_path):
    own = {"timestamp": "2024-04-19", "src_ip": "a", "dst_ip": "b", "duration": 1.0, "protocol": "6"}
    kept, _ = read(aws_parquet(tmp_path / "log", own | {"timestamp": "2024-04-19T00:00:00"}))
    assert (only(kept)["src_ip"], only(kept)["duration"]) == ("a", 1.0)


def test_every_preset_has_its_name():
    assert list(presets()) == ["cicflowmeter", "netflow_v2", "nsl_kdd", "unsw_nb15", "aws_vpc_parquet"]
    assert [columns.preset for columns in presets().values()] == list(presets())
