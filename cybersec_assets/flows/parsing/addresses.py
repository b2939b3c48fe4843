"""What an IP address looks like in a log."""

OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
DOTTED = rf"({OCTET}\.){{3}}{OCTET}"
IPV4 = rf"^{DOTTED}$"
"""What `ipaddress` takes for an IPv4 address; to ask it for each would take most of the time."""
GROUP = "[0-9A-Fa-f]{0,4}"
ADDRESS = rf"^({DOTTED}|({GROUP}:){{2,7}}({GROUP}|{DOTTED})(%[\w.-]+)?)$"
"""IPv4, or IPv6 with a zone or without; that `::` stands once at most in it is not asked."""
