"""Normalize protocols to one name, and read ports.

The numbers and names are in https://www.iana.org/assignments/protocol-numbers/protocol-numbers.xhtml. Logs write a
protocol as a number, with leading zeros or as a float, or as a name in any case, which may be an alias.
"""

import re
from collections.abc import Collection

import polars as pl

from cybersec_assets.flows.parsing.values import Field, number

NAMES = {
    0: "hopopt",
    1: "icmp",
    2: "igmp",
    3: "ggp",
    4: "ipv4",
    5: "st",
    6: "tcp",
    7: "cbt",
    8: "egp",
    9: "igp",
    10: "bbn-rcc-mon",
    11: "nvp-ii",
    12: "pup",
    13: "argus",
    14: "emcon",
    15: "xnet",
    16: "chaos",
    17: "udp",
    18: "mux",
    19: "dcn-meas",
    20: "hmp",
    21: "prm",
    22: "xns-idp",
    23: "trunk-1",
    24: "trunk-2",
    25: "leaf-1",
    26: "leaf-2",
    27: "rdp",
    28: "irtp",
    29: "iso-tp4",
    30: "netblt",
    31: "mfe-nsp",
    32: "merit-inp",
    33: "dccp",
    34: "3pc",
    35: "idpr",
    36: "xtp",
    37: "ddp",
    38: "idpr-cmtp",
    39: "tp++",
    40: "il",
    41: "ipv6",
    42: "sdrp",
    43: "ipv6-route",
    44: "ipv6-frag",
    45: "idrp",
    46: "rsvp",
    47: "gre",
    48: "dsr",
    49: "bna",
    50: "esp",
    51: "ah",
    52: "i-nlsp",
    53: "swipe",
    54: "narp",
    55: "min-ipv4",
    56: "tlsp",
    57: "skip",
    58: "ipv6-icmp",
    59: "ipv6-nonxt",
    60: "ipv6-opts",
    62: "cftp",
    64: "sat-expak",
    65: "kryptolan",
    66: "rvd",
    67: "ippc",
    69: "sat-mon",
    70: "visa",
    71: "ipcv",
    72: "cpnx",
    73: "cphb",
    74: "wsn",
    75: "pvp",
    76: "br-sat-mon",
    77: "sun-nd",
    78: "wb-mon",
    79: "wb-expak",
    80: "iso-ip",
    81: "vmtp",
    82: "secure-vmtp",
    83: "vines",
    84: "iptm",
    85: "nsfnet-igp",
    86: "dgp",
    87: "tcf",
    88: "eigrp",
    89: "ospfigp",
    90: "sprite-rpc",
    91: "larp",
    92: "mtp",
    93: "ax.25",
    94: "ipip",
    95: "micp",
    96: "scc-sp",
    97: "etherip",
    98: "encap",
    100: "gmtp",
    101: "ifmp",
    102: "pnni",
    103: "pim",
    104: "aris",
    105: "scps",
    106: "qnx",
    107: "a/n",
    108: "ipcomp",
    109: "snp",
    110: "compaq-peer",
    111: "ipx-in-ip",
    112: "vrrp",
    113: "pgm",
    115: "l2tp",
    116: "ddx",
    117: "iatp",
    118: "stp",
    119: "srp",
    120: "uti",
    121: "smp",
    122: "sm",
    123: "ptp",
    124: "isis",
    125: "fire",
    126: "crtp",
    127: "crudp",
    128: "sscopmce",
    129: "iplt",
    130: "sps",
    131: "pipe",
    132: "sctp",
    133: "fc",
    134: "rsvp-e2e-ignore",
    135: "mobility-header",
    136: "udplite",
    137: "mpls-in-ip",
    138: "manet",
    139: "hip",
    140: "shim6",
    141: "wesp",
    142: "rohc",
    143: "ethernet",
    144: "aggfrag",
    145: "nsh",
    146: "homa",
    147: "bit-emu",
}
"""IANA's keywords in lower case. A number without a keyword is its own name."""

ALIASES = {
    "icmp6": "ipv6-icmp",
    "icmpv6": "ipv6-icmp",
    "icmp-v6": "ipv6-icmp",
    "icmpipv6": "ipv6-icmp",
    "icmp4": "icmp",
    "icmpv4": "icmp",
    "ospf": "ospfigp",
    "ospfv2": "ospfigp",
    "ospfv3": "ospfigp",
    "ipencap": "ipv4",
    "ip-encap": "ipv4",
    "ipv6-no": "ipv6-nonxt",
    "ipv6-auth": "ah",
    "ipv6-crypt": "esp",
    "ipsec-ah": "ah",
    "ipsec-esp": "esp",
    "udp-lite": "udplite",
    "udplt": "udplite",
    "ipcp": "ipcomp",
    "mh": "mobility-header",
    "isis-over-ipv4": "isis",
    "ttp": "iptm",
    "st2": "st",
    "bbn-rcc": "bbn-rcc-mon",
    "nvp": "nvp-ii",
    "dcn": "dcn-meas",
    "ipx-n-ip": "ipx-in-ip",
    "sccopmce": "sscopmce",
}
"""Other names of these protocols in `/etc/protocols`, Argus, nfdump and Suricata."""

NUMBER = re.compile(r"\+?([0-9]+)(?:\.0*)?")
LIKE_A_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf|nan")
LAST = 255

PORTED = ("tcp", "udp", "dccp", "sctp", "udplite")
"""The protocols that have ports."""


def name_of(text: str) -> str | None:
    """Return the name of a protocol.

    Args:
        text: The number or a name in a log.

    Returns:
        The name in lower case, or the number without leading zeros if it has no name. None for invalid numbers and
        blank text.
    """
    plain = text.strip().lower()
    found = NUMBER.fullmatch(plain)
    if found:
        digits = found[1].lstrip("0") or "0"
        if len(digits) > len(str(LAST)) or int(digits) > LAST:
            return None
        return NAMES.get(int(digits), digits)
    if not plain or LIKE_A_NUMBER.fullmatch(plain):
        return None
    return ALIASES.get(plain, plain)


def protocol(text: pl.Expr) -> Field:
    """Read a protocol's name or number."""
    return Field(text, text.map_batches(_names, return_dtype=pl.String(), is_elementwise=True))


def _names(texts: pl.Series) -> pl.Series:
    # A day has few different protocols, and Python processes each only once per batch.
    written = texts.drop_nulls().unique()
    return texts.replace_strict(written, [name_of(text) for text in written], default=None, return_dtype=pl.String)


def port(text: pl.Expr, of: Field, ported: Collection[str] = PORTED) -> Field:
    """Read a port. For protocols without ports, the text (such as the type and code of ICMP) is ignored.

    Args:
        text: The text in the log.
        of: The protocol.
        ported: The protocols that have ports.
    """
    return number(pl.when(of.value.is_in(list(ported))).then(text), pl.Int32)
