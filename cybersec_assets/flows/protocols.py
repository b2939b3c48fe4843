"""Protocols by number and name, and which of them have ports.

The numbers and names: https://www.iana.org/assignments/protocol-numbers/protocol-numbers.xhtml.
"""

import polars as pl

from cybersec_assets.flows.readers.base import Field, number

NAMES = {
    "0": "hopopt",
    "1": "icmp",
    "2": "igmp",
    "4": "ipv4",
    "6": "tcp",
    "8": "egp",
    "17": "udp",
    "27": "rdp",
    "33": "dccp",
    "41": "ipv6",
    "43": "ipv6-route",
    "44": "ipv6-frag",
    "46": "rsvp",
    "47": "gre",
    "50": "esp",
    "51": "ah",
    "58": "ipv6-icmp",
    "59": "ipv6-nonxt",
    "60": "ipv6-opts",
    "88": "eigrp",
    "89": "ospfigp",
    "94": "ipip",
    "97": "etherip",
    "103": "pim",
    "108": "ipcomp",
    "112": "vrrp",
    "115": "l2tp",
    "132": "sctp",
    "136": "udplite",
    "137": "mpls-in-ip",
}
"""The protocols that networks carry today; others keep their number for a name."""

PORTED = ("tcp", "udp", "dccp", "sctp", "udplite")


def protocol(text: pl.Expr) -> Field:
    """Read a protocol's name or number."""
    return Field(text, text.str.to_lowercase().replace(NAMES))


def port(text: pl.Expr, of: Field) -> Field:
    """Read a port; what stands in its place for a protocol without ports, as ICMP's type and code, says nothing.

    Args:
        text: What the log has.
        of: The protocol.
    """
    return number(pl.when(of.value.is_in(PORTED)).then(text), pl.Int32)
