"""The presets of FLOWS_COLUMNS: the columns of public data sets and common tools.

A preset has a layout for each style of header, and for files without one. Columns that every file of a layout has are
needed; the others are optional. Files without times get the day of the partition, and files without addresses get
0.0.0.0, so that such sets can be used at all; docs/columns.md lists them.

- CICFlowMeter: https://github.com/ahlashkari/CICFlowMeter (durations in microseconds, dates with the day first).
- NetFlow v2: https://staff.itee.uq.edu.au/marius/NIDS_datasets/ (NF-*-v2 has no times, NF-*-v3 has).
- NSL-KDD: https://www.unb.ca/cic/datasets/nsl.html
- UNSW-NB15: https://research.unsw.edu.au/projects/unsw-nb15-dataset
- AWS: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from cybersec_assets.flows.parsing.mapping import DATE, Columns, Layout, sources_of

NO_ADDRESS = {"value": "0.0.0.0"}  # noqa: S104 - a placeholder for an unknown address, not an address to listen on
NO_ADDRESSES = {"src_ip": NO_ADDRESS, "dst_ip": NO_ADDRESS}
NO_TIME = {"timestamp": {"value": DATE}}
AWS_VPC_PARQUET = "aws_vpc_parquet"


@cache
def presets() -> Mapping[str, Columns]:
    """Return every preset by its name."""
    return {
        "cicflowmeter": Columns(_cicflowmeter(), "cicflowmeter"),
        "netflow_v2": Columns(_netflow_v2(), "netflow_v2"),
        "nsl_kdd": Columns(_nsl_kdd(), "nsl_kdd"),
        "unsw_nb15": Columns(_unsw_nb15(), "unsw_nb15", unset="-"),
        AWS_VPC_PARQUET: Columns(
            _aws_vpc(),
            AWS_VPC_PARQUET,
            unset="-",
            status=("log_status", "log-status"),
            no_flow=("NODATA", "SKIPDATA"),
        ),
    }


def _layout(
    needed: Mapping[str, Any],
    *optional: Mapping[str, Any],
    absent: Sequence[str] = (),
    widths: Sequence[int] = (),
) -> Layout:
    pairs = [(raw, source) for some in optional for raw, source in sources_of(some).items()]
    return Layout(sources_of(needed), pairs, absent, widths)


def _cicflowmeter() -> list[Layout]:
    common = {"protocol": "Protocol", "duration": {"column": "Flow Duration", "unit": "us"}}
    time = {"timestamp": {"column": "Timestamp", "day_first": True}}
    styles = [{"src_ip": "Source IP", "dst_ip": "Destination IP"}, {"src_ip": "Src IP", "dst_ip": "Dst IP"}]
    layouts = list[Layout]()
    # The headers of CICIDS2017, of CICFlowMeter 4, and of later versions.
    for sent, received, packets_sent, packets_received in (
        ("Total Length of Fwd Packets", "Total Length of Bwd Packets", "Total Fwd Packets", "Total Backward Packets"),
        ("TotLen Fwd Pkts", "TotLen Bwd Pkts", "Tot Fwd Pkts", "Tot Bwd Pkts"),
        ("Total Length of Fwd Packet", "Total Length of Bwd Packet", "Total Fwd Packet", "Total Bwd packets"),
    ):
        volume = common | {"bytes": {"sum": [sent, received]}, "orig_bytes": sent, "resp_bytes": received}
        optional = [
            {"orig_packets": packets_sent, "resp_packets": packets_received, "label": "Label"},
            {"src_port": "Source Port", "dst_port": "Destination Port"},
            {"src_port": "Src Port", "dst_port": "Dst Port"},
        ]
        layouts += [_layout(volume | time | addresses, *optional) for addresses in styles]
        # CSE-CIC-IDS2018 has times but no addresses.
        absent = [name for style in styles for name in style.values()]
        layouts.append(_layout(volume | time | NO_ADDRESSES, *optional, absent=absent))
    return layouts


def _netflow_v2() -> list[Layout]:
    common = {
        "src_ip": "IPV4_SRC_ADDR",
        "dst_ip": "IPV4_DST_ADDR",
        "protocol": "PROTOCOL",
        "duration": {"column": "FLOW_DURATION_MILLISECONDS", "unit": "ms"},
        "bytes": {"sum": ["IN_BYTES", "OUT_BYTES"]},
        "orig_bytes": "IN_BYTES",
        "resp_bytes": "OUT_BYTES",
    }
    optional = [
        {"src_port": "L4_SRC_PORT", "dst_port": "L4_DST_PORT", "orig_packets": "IN_PKTS", "resp_packets": "OUT_PKTS"},
        {"label": "Label"},
        {"label": "Attack"},
    ]
    start = {"timestamp": {"column": "FLOW_START_MILLISECONDS", "unit": "ms"}}
    return [_layout(common | start, *optional), _layout(common | NO_TIME, *optional)]


def _nsl_kdd() -> list[Layout]:
    # The 43rd column, the difficulty, is missing in KDD Cup 99.
    positions = {
        "duration": {"position": 1},
        "protocol": {"position": 2},
        "service": {"position": 3},
        "conn_state": {"position": 4},
        "bytes": {"sum": [{"position": 5}, {"position": 6}]},
        "orig_bytes": {"position": 5},
        "resp_bytes": {"position": 6},
        "label": {"position": 42},
    }
    names = {
        "duration": "duration",
        "protocol": "protocol_type",
        "service": "service",
        "conn_state": "flag",
        "bytes": {"sum": ["src_bytes", "dst_bytes"]},
        "orig_bytes": "src_bytes",
        "resp_bytes": "dst_bytes",
    }
    labels = [{"label": name} for name in ("label", "labels", "class", "attack", "outcome")]
    placeholders = NO_TIME | NO_ADDRESSES
    return [_layout(names | placeholders, *labels), _layout(positions | placeholders, widths=(42, 43))]


def _unsw_nb15() -> list[Layout]:
    volume = {
        "duration": "dur",
        "protocol": "proto",
        "bytes": {"sum": ["sbytes", "dbytes"]},
        "orig_bytes": "sbytes",
        "resp_bytes": "dbytes",
    }
    flow = volume | {"src_ip": "srcip", "dst_ip": "dstip"}
    optional = [
        {"src_port": "sport", "dst_port": "dsport", "service": "service", "conn_state": "state"},
        {"orig_packets": "Spkts", "resp_packets": "Dpkts", "label": "Label"},
    ]
    positions = {
        "src_ip": {"position": 1},
        "src_port": {"position": 2},
        "dst_ip": {"position": 3},
        "dst_port": {"position": 4},
        "protocol": {"position": 5},
        "conn_state": {"position": 6},
        "duration": {"position": 7},
        "bytes": {"sum": [{"position": 8}, {"position": 9}]},
        "orig_bytes": {"position": 8},
        "resp_bytes": {"position": 9},
        "service": {"position": 14},
        "orig_packets": {"position": 17},
        "resp_packets": {"position": 18},
        "timestamp": {"position": 29},
        "label": {"position": 49},
    }
    return [
        _layout(flow | {"timestamp": "Stime"}, *optional),
        _layout(positions, widths=(49,)),
        # The training and test sets have neither times nor addresses.
        _layout(volume | NO_TIME | NO_ADDRESSES | {"label": "label"}, *optional, absent=("srcip", "dstip")),
    ]


def _aws_vpc() -> list[Layout]:
    needed = {
        "timestamp": "start",
        "src_ip": "srcaddr",
        "dst_ip": "dstaddr",
        "bytes": "bytes",
        "duration": {"start": "start", "end": "end"},
        "protocol": "protocol",
        "orig_bytes": "bytes",
    }
    optional = {"src_port": "srcport", "dst_port": "dstport", "orig_packets": "packets", "conn_state": "action"}
    return [_layout(needed, optional)]
