"""Protocols by number and name, and which of them have ports.

The numbers and names: https://www.iana.org/assignments/protocol-numbers/protocol-numbers.xhtml.
"""

from collections.abc import Collection

import polars as pl

from cybersec_assets.flows.readers.base import Field, number

NAMES = {
    0: "hopopt",
    1: "icmp",
    2: "igmp",
    4: "ipv4",
    6: "tcp",
    8: "egp",
    17: "udp",
    27: "rdp",
    33: "dccp",
    41: "ipv6",
    43: "ipv6-route",
    44: "ipv6-frag",
    46: "rsvp",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    59: "ipv6-nonxt",
    60: "ipv6-opts",
    88: "eigrp",
    89: "ospfigp",
    94: "ipip",
    97: "etherip",
    103: "pim",
    108: "ipcomp",
    112: "vrrp",
    115: "l2tp",
    132: "sctp",
    136: "udplite",
    137: "mpls-in-ip",
}
"""The protocols that networks carry today; others keep their number for a name."""

PORTED = ("tcp", "udp", "dccp", "sctp", "udplite")


BY_NUMBER = pl.Enum([NAMES.get(number, str(number)) for number in range(256)])


def named(number: pl.Expr) -> pl.Expr:
    """Give the name of a protocol's number, null where it is no such number."""
    # Not `replace`, for which Polars holds the whole column in memory.
    return number.cast(pl.UInt8, strict=False).cat.to(BY_NUMBER).cast(pl.String)


def protocol(text: pl.Expr) -> Field:
    """Read a protocol's name or number."""
    return Field(text, pl.coalesce(named(text), text.str.to_lowercase()))


def port(text: pl.Expr, of: Field, ported: Collection[str] = PORTED) -> Field:
    """Read a port; what stands in its place for a protocol without ports, as ICMP's type and code, says nothing.

    Args:
        text: What the log has.
        of: The protocol.
        ported: The protocols that have ports.
    """
    return number(pl.when(of.value.is_in(list(ported))).then(text), pl.Int32)
