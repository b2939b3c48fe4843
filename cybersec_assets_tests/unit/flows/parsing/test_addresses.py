"""The regular expression for addresses, compared with `ipaddress`."""

from ipaddress import ip_address

import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cybersec_assets.flows.parsing.addresses import ADDRESS
from cybersec_assets_tests.support.flows.logs import examples

ADDRESSES = """::|::1|1::|1:2:3:4:5:6:7::|::2:3:4:5:6:7:8|::ffff:10.0.0.1|1:2:3:4:5:6:10.0.0.1|FE80::ABCD|fe80::1%eth0
fe80::1%en-0.1|0.0.0.0|255.255.255.255""".replace("\n", "|").split("|")
OTHERS = """00:11:22:33:44:55|12:34:56|1:2:3|:::::|:1:2:3:4:5:6:7|1:2:3:4:5:6:7:10.0.0.1|1::2::3|12345::1|::g|fe80::1%
10.0.0.1%eth0|10.0.0.256|10.0.0.01|10.0.0|10.0.0.1.2|-""".replace("\n", "|").split("|")
pieces = st.sampled_from(["1", "ab", "F0a", "0", "10.0.0.1", "256", ".", ":", "::", "%", " "])


def is_address(text):
    """Return whether a text matches."""
    return pl.Series([text]).str.contains(ADDRESS)[0]


@pytest.mark.parametrize("text", ADDRESSES)
def test_every_spelling_of_an_address_matches(text):
    assert is_address(text)


@pytest.mark.parametrize("text", ["", "10.0.0.1\n", " 10.0.0.1", *OTHERS])
def test_similar_text_does_not_match(text):
    assert not is_address(text)


@examples
@example([])
@given(st.lists(pieces, max_size=12))
def test_a_text_matches_exactly_if_it_is_an_address(parts):
    """Zones and too many groups are excluded."""
    text = "".join(parts)
    assume("%" not in text and text.count(":") <= 7)
    try:
        ip_address(text)
    except ValueError:
        assert not is_address(text)
    else:
        assert is_address(text)
