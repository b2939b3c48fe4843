"""Pseudonyms are those of Crypto-PAn, preserve prefixes, and reveal no text."""

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
from cybersec_assets.flows.pseudonyms.pseudonyms import BATCH_SIZE, KEY_BYTES, Pseudonyms, read_key
from cybersec_assets_tests.support.flows.logs import examples
from cybersec_assets_tests.support.flows.pseudonym_vectors import COUNTED_KEY, DIEKMANN_KEY, PUBLISHED, REFERENCE_KEY

keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
families = st.sampled_from([(IPv4Address, 32), (IPv6Address, 128)])
numbers = st.integers(0, 2**128 - 1)
addresses = st.builds(lambda family, number: family[0](number >> (128 - family[1])), families, numbers)


@st.composite
def neighbours(draw):
    """Return two different addresses of a family that share any number of leading bits."""
    family, bits = draw(families)
    first = draw(numbers) >> (128 - bits)
    bit = draw(st.integers(0, bits - 1))
    return family(first), family(first ^ (1 << bit) ^ draw(st.integers(0, 2**bit - 1)))


def of(key, *texts):
    """Return the pseudonyms of texts."""
    return Pseudonyms(key).of(pl.Series("src_ip", texts, dtype=pl.String)).to_list()


def reference(key, address):
    """Return the pseudonym, computed as in the paper: bit by bit, with one block for each."""
    cipher = Cipher(AES(key[:16]), ECB()).encryptor()
    pad = int.from_bytes(cipher.update(key[16:]))
    bits = address.max_prefixlen
    clear = int(address)
    flips = 0
    for bit in range(bits):
        before = clear >> (bits - bit) << (128 - bit)
        block = before | (pad & (2 ** (128 - bit) - 1))
        flips = flips << 1 | cipher.update(block.to_bytes(16))[0] >> 7
    return type(address)(clear ^ flips)


def shared(first, second):
    """Return the number of leading bits that two addresses share."""
    return first.max_prefixlen - (int(first) ^ int(second)).bit_length()


@pytest.mark.parametrize("key", PUBLISHED, ids=bytes.hex)
def test_pseudonyms_are_the_published_ones(key):
    assert of(key, *PUBLISHED[key]) == list(PUBLISHED[key].values())


@pytest.mark.parametrize("key", PUBLISHED, ids=bytes.hex)
def test_the_reference_of_these_tests_gives_the_published_ones(key):
    computed = [str(reference(key, ip_address(address))) for address in PUBLISHED[key]]
    assert computed == list(PUBLISHED[key].values())


@examples
@given(keys, st.lists(addresses, max_size=20))
def test_any_addresses_have_the_pseudonyms_of_the_reference(key, clear):
    assert of(key, *map(str, clear)) == [str(reference(key, address)) for address in clear]


@examples
@given(keys, neighbours())
def test_prefixes_are_preserved_exactly(key, pair):
    first, second = map(ip_address, of(key, *map(str, pair)))
    assert shared(first, second) == shared(*pair)


@pytest.mark.parametrize("network", [ip_network("192.0.2.0/24"), ip_network("2001:db8::/120")], ids=str)
def test_addresses_of_a_subnet_have_distinct_pseudonyms_of_one_subnet(network):
    found = {int(ip_address(address)) for address in of(REFERENCE_KEY, *map(str, network))}
    assert len(found) == 256
    assert len({address >> 8 for address in found}) == 1


def test_another_key_gives_other_pseudonyms():
    clear = ["192.0.2.1", "2001:db8::1", "host.example"]
    assert not set(of(REFERENCE_KEY, *clear)) & set(of(COUNTED_KEY, *clear))


@pytest.mark.parametrize("half", [0, 16])
def test_both_halves_of_the_key_count(half):
    other = bytearray(REFERENCE_KEY)
    other[half] ^= 1
    clear = ["192.0.2.1", "2001:db8::1"]
    assert not set(of(REFERENCE_KEY, *clear)) & set(of(bytes(other), *clear))


def test_several_batches_keep_every_address_in_order():
    rng = random.Random(7)
    clear = [IPv4Address(rng.getrandbits(32)) for _ in range(2 * BATCH_SIZE + 1)] + [IPv6Address(n) for n in range(9)]
    rng.shuffle(clear)
    found = of(REFERENCE_KEY, *map(str, clear), *map(str, clear[:BATCH_SIZE]))
    assert found[: len(clear)][::41] == [str(reference(REFERENCE_KEY, address)) for address in clear[::41]]
    assert found[len(clear) :] == found[:BATCH_SIZE]
    assert len(set(found)) == len(set(clear))


def test_rows_keep_their_place_and_nulls_stay_null():
    clear = pl.Series("dst_ip", [None, "8.8.8.8", None, "8.8.8.8"])
    expected = pl.Series("dst_ip", [None, "55.21.62.136", None, "55.21.62.136"])
    assert_series_equal(Pseudonyms(DIEKMANN_KEY).of(clear), expected)


@pytest.mark.parametrize("values", [[], [None, None]])
def test_a_series_without_addresses_is_unchanged(values):
    clear = pl.Series("src_ip", values, dtype=pl.String)
    assert_series_equal(Pseudonyms(REFERENCE_KEY).of(clear), clear)


def test_all_spellings_of_an_address_have_one_pseudonym():
    found = of(REFERENCE_KEY, "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "2001:0db8::0.0.0.1")
    assert found == ["4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"] * 3


def test_a_zone_has_a_pseudonym():
    """A zone, which may contain a hardware address, is a name. It does not change the address before it."""
    bare, zoned, other, name = of(REFERENCE_KEY, "fe80::1", "fe80::1%eth0", "fe80::1%10.0.0.5", "eth0")
    assert bare == str(reference(REFERENCE_KEY, IPv6Address("fe80::1")))
    assert zoned == f"{bare}%{name}"
    assert other.startswith(f"{bare}%name-")
    assert "10.0.0.5" not in other


NO_ADDRESSES = """host.example|00:1a:2b:3c:4d:5e|10.0.0.1/24|10.0.0.01|10.0.0.256|10.0.0|10.0.0.1.|10.0.0.1.2| 10.0.0.1
10.0.0.1 |10.0.0.1%eth0|10.0.0.1:443|[::1]|::1%|::1%a%b|::1::|12345::|::g|name-0123456789abcdef|-|٣.1.1.1""".replace(
    "\n", "|"
).split("|")


@pytest.mark.parametrize("text", ["", "10.0.0.1\n", "10.0.0.1\0", *NO_ADDRESSES])
def test_other_text_becomes_a_name(text):
    """The name is part of the HMAC-SHA256 (RFC 2104, FIPS 180-4) of the text."""
    digits = hmac.new(REFERENCE_KEY, text.encode(), hashlib.sha256).hexdigest()[:16]
    assert of(REFERENCE_KEY, text) == [f"name-{digits}"]


def is_not_an_address(text):
    """Return whether `ipaddress` rejects a text."""
    try:
        ip_address(text)
    except ValueError:
        return True
    return False


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"[0-9]{1,3}(\.[0-9]{0,3}){2,4}")


@examples
@given(keys, texts.filter(is_not_an_address))
def test_a_name_reveals_nothing_of_its_text(key, text):
    (found,) = of(key, text)
    assert re.fullmatch(r"name-[0-9a-f]{16}", found)


@examples
@given(st.lists(st.integers(0, 299).map(str), min_size=4, max_size=4).map(".".join))
def test_ipv4_addresses_are_those_of_ipaddress(text):
    assert of(REFERENCE_KEY, text)[0].startswith("name-") == is_not_an_address(text)


@examples
@given(keys)
def test_a_key_may_have_blanks_around_it(key):
    assert read_key(f" {base64.b64encode(key).decode()}\n") == key


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_of_another_size_is_rejected_and_not_shown(size):
    text = base64.b64encode(os.urandom(size)).decode()
    with pytest.raises(SettingsError) as caught:
        read_key(text)
    assert str(caught.value) == (
        "FLOWS_PSEUDONYM_KEY is not a key of 32 bytes in base64. Make one with `openssl rand -base64 32`."
    )


@pytest.mark.parametrize("text", ["secret", "ключ", "!" * 44, "A" * 42 + "=", "-" * 43 + "="])
def test_a_key_that_is_not_base64_is_rejected_and_not_shown(text):
    with pytest.raises(SettingsError, match="FLOWS_PSEUDONYM_KEY") as caught:
        read_key(text)
    assert text not in str(caught.value)
