"""Pseudonyms are those of Crypto-PAn, keep subnets together, and leave nothing in clear."""

import base64
import hashlib
import hmac
import os
import random
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import polars as pl
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from cybersec_assets.errors import SettingsError
from cybersec_assets.flows.pseudonyms.pseudonyms import AT_ONCE, KEY_BYTES, Pseudonyms, read_key
from cybersec_assets_tests.support.flows.logs import examples
from cybersec_assets_tests.support.flows.pseudonym_vectors import COUNTED_KEY, DIEKMANN_KEY, PUBLISHED, REFERENCE_KEY

keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
families = st.sampled_from([(IPv4Address, 32), (IPv6Address, 128)])
numbers = st.integers(0, 2**128 - 1)
addresses = st.builds(lambda family, number: family[0](number >> (128 - family[1])), families, numbers)


@st.composite
def neighbours(draw):
    """Give two addresses of a family that share any number of leading bits, but not all."""
    family, bits = draw(families)
    first, bit = draw(numbers) >> (128 - bits), draw(st.integers(0, bits - 1))
    return family(first), family(first ^ (1 << bit) ^ draw(st.integers(0, 2**bit - 1)))


def of(key, *texts):
    """Give the pseudonyms of texts."""
    return Pseudonyms(key).of(pl.Series("src_ip", texts, dtype=pl.String)).to_list()


def slowly(key, address):
    """Compute Crypto-PAn as its authors wrote it down: one bit after the other, a block for each."""
    cipher = Cipher(AES(key[:16]), ECB()).encryptor()
    pad = int.from_bytes(cipher.update(key[16:]))
    bits, clear, flips = address.max_prefixlen, int(address), 0
    for bit in range(bits):
        before = clear >> (bits - bit) << (128 - bit)
        block = before | (pad & (2 ** (128 - bit) - 1))
        flips = flips << 1 | cipher.update(block.to_bytes(16))[0] >> 7
    return type(address)(clear ^ flips)


def shared(first, second):
    """Count the leading bits that two addresses have in common."""
    return first.max_prefixlen - (int(first) ^ int(second)).bit_length()


@pytest.mark.parametrize("key", PUBLISHED, ids=bytes.hex)
def test_pseudonyms_are_the_published_ones(key):
    """The test vectors of the reference implementation, and of others, come out."""
    assert of(key, *PUBLISHED[key]) == list(PUBLISHED[key].values())


@pytest.mark.parametrize("key", PUBLISHED, ids=bytes.hex)
def test_the_slow_computation_is_right(key):
    """What these tests compare with gives the published pseudonyms, too."""
    computed = [str(slowly(key, ip_address(address))) for address in PUBLISHED[key]]
    assert computed == list(PUBLISHED[key].values())


@examples
@given(keys, st.lists(addresses, max_size=20))
def test_any_addresses_under_any_key(key, clear):
    """Addresses of both kinds together, repeated or not, give what the slow computation gives, in their order."""
    assert of(key, *map(str, clear)) == [str(slowly(key, address)) for address in clear]


@examples
@given(keys, neighbours())
def test_prefixes_are_preserved_exactly(key, pair):
    """The pseudonyms of two addresses share as many leading bits as the addresses do: not fewer, and not more."""
    first, second = map(ip_address, of(key, *map(str, pair)))
    assert shared(first, second) == shared(*pair)


@pytest.mark.parametrize("network", [ip_network("192.0.2.0/24"), ip_network("2001:db8::/120")], ids=str)
def test_no_two_addresses_of_a_subnet_meet(network):
    """The 256 addresses of a subnet have 256 pseudonyms, again of one subnet."""
    found = {int(ip_address(address)) for address in of(REFERENCE_KEY, *map(str, network))}
    assert len(found) == 256
    assert len({address >> 8 for address in found}) == 1


def test_another_key_gives_other_pseudonyms():
    """Neither addresses nor names have the same pseudonym under two keys."""
    clear = ["192.0.2.1", "2001:db8::1", "host.example"]
    assert not set(of(REFERENCE_KEY, *clear)) & set(of(COUNTED_KEY, *clear))


@pytest.mark.parametrize("half", [0, 16])
def test_both_halves_of_the_key_count(half):
    """A bit changed in either half of the key changes the pseudonyms of both kinds."""
    other = bytearray(REFERENCE_KEY)
    other[half] ^= 1
    clear = ["192.0.2.1", "2001:db8::1"]
    assert not set(of(REFERENCE_KEY, *clear)) & set(of(bytes(other), *clear))


def test_more_addresses_than_are_encrypted_together():
    """Where batches end nothing is lost, doubled or put out of order."""
    rng = random.Random(7)
    clear = [IPv4Address(rng.getrandbits(32)) for _ in range(2 * AT_ONCE + 1)] + [IPv6Address(n) for n in range(9)]
    rng.shuffle(clear)
    found = of(REFERENCE_KEY, *map(str, clear), *map(str, clear[:AT_ONCE]))
    assert found[: len(clear)][::41] == [str(slowly(REFERENCE_KEY, address)) for address in clear[::41]]
    assert found[len(clear) :] == found[:AT_ONCE]
    assert len(set(found)) == len(set(clear))


def test_rows_keep_their_place_and_nulls_stay_null():
    """The series has its name, its length and its nulls afterwards."""
    clear = pl.Series("dst_ip", [None, "8.8.8.8", None, "8.8.8.8"])
    expected = pl.Series("dst_ip", [None, "55.21.62.136", None, "55.21.62.136"])
    assert_series_equal(Pseudonyms(DIEKMANN_KEY).of(clear), expected)


@pytest.mark.parametrize("values", [[], [None, None]])
def test_a_series_without_addresses(values):
    """A series of no rows, or of nulls only, comes back as it was."""
    clear = pl.Series("src_ip", values, dtype=pl.String)
    assert_series_equal(Pseudonyms(REFERENCE_KEY).of(clear), clear)


def test_one_address_in_several_spellings():
    """However an IPv6 address is spelled, its pseudonym is one, in the spelling of `ipaddress`."""
    found = of(REFERENCE_KEY, "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "2001:0db8::0.0.0.1")
    assert found == ["4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"] * 3


def test_a_zone_has_a_pseudonym():
    """A zone, which may hold a hardware address, has a name's; the address before it has its own without a zone."""
    bare, zoned, other, name = of(REFERENCE_KEY, "fe80::1", "fe80::1%eth0", "fe80::1%10.0.0.5", "eth0")
    assert bare == str(slowly(REFERENCE_KEY, IPv6Address("fe80::1")))
    assert zoned == f"{bare}%{name}"
    assert other.startswith(f"{bare}%name-")
    assert "10.0.0.5" not in other


NO_ADDRESSES = """host.example|00:1a:2b:3c:4d:5e|10.0.0.1/24|10.0.0.01|10.0.0.256|10.0.0|10.0.0.1.|10.0.0.1.2| 10.0.0.1
10.0.0.1 |10.0.0.1%eth0|10.0.0.1:443|[::1]|::1%|::1%a%b|::1::|12345::|::g|name-0123456789abcdef|-|٣.1.1.1""".replace(
    "\n", "|"
).split("|")


@pytest.mark.parametrize("text", ["", "10.0.0.1\n", "10.0.0.1\0", *NO_ADDRESSES])
def test_what_is_no_address_becomes_a_name(text):
    """A text that is no address gives digits of its HMAC-SHA256 (RFC 2104, FIPS 180-4), the empty one, too."""
    digits = hmac.new(REFERENCE_KEY, text.encode(), hashlib.sha256).hexdigest()[:16]
    assert of(REFERENCE_KEY, text) == [f"name-{digits}"]


def nearly(text):
    """Say whether a text is no address for Python."""
    try:
        ip_address(text)
    except ValueError:
        return True
    return False


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"[0-9]{1,3}(\.[0-9]{0,3}){2,4}")


@examples
@given(keys, texts.filter(nearly))
def test_no_other_text_stays_in_clear(key, text):
    """Any text that is no address leaves nothing of itself."""
    (found,) = of(key, text)
    assert re.fullmatch(r"name-[0-9a-f]{16}", found)


@examples
@given(st.lists(st.integers(0, 299).map(str), min_size=4, max_size=4).map(".".join))
def test_ipv4_is_what_ipaddress_takes_for_it(text):
    """Numbers that are too large for an address make a name, all others an address."""
    assert of(REFERENCE_KEY, text)[0].startswith("name-") == nearly(text)


@examples
@given(keys)
def test_a_key_is_read(key):
    """The 32 bytes come back from their base64, blanks around it or not."""
    assert read_key(f" {base64.b64encode(key).decode()}\n") == key


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_of_another_size_is_refused(size):
    """The error names the variable and the remedy on one line, and does not tell the key."""
    text = base64.b64encode(os.urandom(size)).decode()
    with pytest.raises(SettingsError) as refused:
        read_key(text)
    assert str(refused.value) == (
        "FLOWS_PSEUDONYM_KEY holds no key of 32 bytes in base64. Make one with `openssl rand -base64 32`."
    )


@pytest.mark.parametrize("text", ["secret", "ключ", "!" * 44, "A" * 42 + "=", "-" * 43 + "="])
def test_a_key_in_another_alphabet_is_refused(text):
    """What is no base64 is no key, and is not told either."""
    with pytest.raises(SettingsError, match="FLOWS_PSEUDONYM_KEY") as refused:
        read_key(text)
    assert text not in str(refused.value)
