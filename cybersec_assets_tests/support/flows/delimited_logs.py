"""Logs with separators and a header for the tests, written from the public specification of each format."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cybersec_assets_tests.support.flows.logs import MIDNIGHT


@dataclass(frozen=True)
class Kind:
    """A format.

    Attributes:
        name: Its name in FLOWS_FORMAT.
        record: A record as the format writes it, by field name.
        needed: The required fields.
        faults: Fields with an invalid value, and the raw column that is wrong then.
        separator: The character between two fields.
    """

    name: str
    record: Mapping[str, str]
    needed: tuple[str, ...]
    faults: tuple[tuple[str, str, str], ...]
    separator: str = ","

    @property
    def id(self) -> str:
        """Return the name of the kind in test names."""
        return f"{self.name}-{len(self.record)}-{ord(self.separator):02x}"

    def header(self) -> str:
        """Return the header line."""
        return self.separator.join(self.record) + "\n"

    def row(self, values: Mapping[str, str] | None = None) -> str:
        """Return a line, with some fields changed."""
        return self.separator.join((dict(self.record) | dict(values or {})).values()) + "\n"

    def log(self, *rows: str) -> str:
        """Return a whole file."""
        return self.header() + "".join(rows)


ARGUS = Kind(
    "argus",
    {
        "StartTime": "2024/04/19 09:46:53.047277",
        "Dur": "3550.182373",
        "Proto": "udp",
        "SrcAddr": "212.50.71.179",
        "Sport": "39678",
        "Dir": "  <->",
        "DstAddr": "147.32.84.229",
        "Dport": "13363",
        "State": "CON",
        "sTos": "0",
        "dTos": "0",
        "TotPkts": "12",
        "TotBytes": "875",
        "SrcBytes": "413",
        "Label": "flow=Background-UDP-Established",
    },
    ("StartTime", "Dur", "Proto", "SrcAddr", "DstAddr", "TotBytes"),
    (
        ("StartTime", "09:46:53.047277", "timestamp"),
        ("StartTime", "2024/13/19 09:46:53", "timestamp"),
        ("Dur", "nan", "duration"),
        ("Dur", "-1", "duration"),
        ("SrcAddr", "", "src_ip"),
        ("DstAddr", "10.0.0.1 x", "dst_ip"),
        ("Proto", "", "protocol"),
        ("TotBytes", "1.5", "bytes"),
        ("TotBytes", str(2**63), "bytes"),
        ("SrcBytes", "many", "orig_bytes"),
        ("Dport", "65536", "dst_port"),
    ),
)
"""A flow of CTU-13."""

NFDUMP = Kind(
    "nfdump",
    {
        "ts": "2024-04-19 00:00:01",
        "te": "2024-04-19 00:00:04",
        "td": "2.500",
        "sa": "10.0.0.1",
        "da": "10.0.0.2",
        "sp": "50000",
        "dp": "443",
        "pr": "TCP",
        "flg": "...AP.SF",
        "fwd": "0",
        "stos": "0",
        "ipkt": "10",
        "ibyt": "1500",
        "opkt": "4",
        "obyt": "600",
        "ismc": "00:00:00:00:00:00",
        "mpls1": "0-0-0",
        "cl": "    0.000",
        "tr": "2024-04-19 00:05:00.475",
    },
    ("ts", "td", "pr", "sa", "da", "ibyt"),
    (
        ("ts", "0000-00-00 00:00:00.000", "timestamp"),
        ("td", "inf", "duration"),
        ("td", "-0.5", "duration"),
        ("sa", "", "src_ip"),
        ("da", "", "dst_ip"),
        ("pr", "", "protocol"),
        ("ibyt", "1.5 M", "orig_bytes"),
        ("obyt", "-1", "resp_bytes"),
        ("ipkt", "0x10", "orig_packets"),
        ("opkt", str(2**63), "resp_packets"),
        ("sp", "http", "src_port"),
        ("dp", "8.0", "dst_port"),
    ),
)
"""A flow as nfdump 1.7.1 prints it, without some columns that are not read."""

NFDUMP_LATER = Kind(
    "nfdump",
    {
        "firstSeen": "2024-04-19 00:00:01.943",
        "duration": "2.500",
        "proto": "6",
        "srcAddr": "2001:db8::1",
        "srcPort": "50000",
        "dstAddr": "2001:db8::2",
        "dstPort": "443",
        "packets": "10",
        "bytes": "1500",
        "bps": "4800",
        "pps": "4",
        "bpp": "150",
        "flows": "1",
    },
    (),
    (
        ("firstSeen", "2024-04-19", "timestamp"),
        ("duration", "2s", "duration"),
        ("srcAddr", "", "src_ip"),
        ("bytes", "x", "orig_bytes"),
        ("packets", "-1", "orig_packets"),
        ("dstPort", "70000", "dst_port"),
    ),
)
"""A flow as later versions print it."""

AWS_VPC = Kind(
    "aws_vpc",
    {
        "version": "2",
        "account-id": "123456789010",
        "interface-id": "eni-1235b8ca123456789",
        "srcaddr": "172.31.16.139",
        "dstaddr": "172.31.16.21",
        "srcport": "20641",
        "dstport": "22",
        "protocol": "6",
        "packets": "20",
        "bytes": "4249",
        "start": f"{MIDNIGHT + 10}",
        "end": f"{MIDNIGHT + 70}",
        "action": "ACCEPT",
        "log-status": "OK",
    },
    ("srcaddr", "dstaddr", "protocol", "bytes", "start", "end"),
    (
        ("start", "-", "timestamp"),
        ("start", f"{MIDNIGHT}0000", "timestamp"),
        ("end", "later", "duration"),
        ("end", f"{MIDNIGHT}", "duration"),
        ("srcaddr", "-", "src_ip"),
        ("dstaddr", "-", "dst_ip"),
        ("protocol", "-", "protocol"),
        ("protocol", "256", "protocol"),
        ("bytes", "-1", "bytes"),
        ("packets", "1.5", "orig_packets"),
        ("srcport", "ssh", "src_port"),
        ("dstport", "65536", "dst_port"),
    ),
    " ",
)
"""A record of the default format."""

KINDS = (
    ARGUS,
    NFDUMP,
    NFDUMP_LATER,
    AWS_VPC,
    replace(ARGUS, separator="\t"),
    replace(ARGUS, separator="|"),
    replace(NFDUMP, separator=";"),
    replace(NFDUMP_LATER, separator="\t"),
)
"""Every such format, with the separators in use."""
