"""A head is a text that anybody can check with the public key alone."""

import base64
import datetime as dt
import hashlib
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.audit.heads.head import Head, count_in, head_name, make_head, number_of, signed
from cybersec_assets_tests.support.audit.memory_store import HASH, KEY, PUBLIC

PURPOSE = b"cybersec-assets audit head 1\n"
HEAD = Head(3, 12, HASH, "2026-01-02T03:04:05.000006+00:00")
# What twelve digits hold.
numbers = st.integers(0, 10**12 - 1)


def public_key():
    """Give the public key as a verifier has it: as 32 bytes from elsewhere."""
    return Ed25519PublicKey.from_public_bytes(KEY.public_key().public_bytes_raw())


def verify(document, text=None, purpose=PURPOSE):
    """Check a document's signature, optionally of another text or for another purpose."""
    signature = base64.b64decode(document["signature"], validate=True)
    public_key().verify(signature, purpose + (document["head"] if text is None else text).encode())


def test_a_heads_signature_is_good_by_the_library_alone():
    """The purpose's line and the text, as they stand in the object, are what the key has signed."""
    verify(json.loads(signed(HEAD, KEY)))


@pytest.mark.parametrize("field", ["number", "count", "hash", "time"])
def test_no_word_of_a_head_can_be_changed(field):
    """A text with another number, count, hash or time has not been signed."""
    document = json.loads(signed(HEAD, KEY))
    told = json.loads(document["head"])
    told[field] = told[field] + 1 if isinstance(told[field], int) else told[field].replace("0", "1").replace("b", "c")
    forged = json.dumps(told, sort_keys=True, separators=(",", ":"))
    assert forged != document["head"]
    with pytest.raises(InvalidSignature):
        verify(document, forged)


@pytest.mark.parametrize("purpose", [b"", b"cybersec-assets audit head 2\n"])
def test_a_signature_is_good_for_a_head_only(purpose):
    """Without the line that says what it is for, or with another, the signature is good for nothing."""
    with pytest.raises(InvalidSignature):
        verify(json.loads(signed(HEAD, KEY)), purpose=purpose)


def test_a_head_names_its_key():
    """The key's name is the beginning of the public key's SHA-256, and the private key is nowhere in the object."""
    content = signed(HEAD, KEY)
    assert json.loads(content)["key"] == hashlib.sha256(public_key().public_bytes_raw()).hexdigest()[:16]
    for secret in (base64.b64encode(KEY.private_bytes_raw()), KEY.private_bytes_raw().hex().encode()):
        assert secret not in content


def test_the_text_is_the_head_and_nothing_else():
    """The signed text is JSON in one form only, so that the same head is the same bytes."""
    text = json.loads(signed(HEAD, KEY))["head"]
    assert text == f'{{"count":12,"hash":"{HASH}","number":3,"time":"2026-01-02T03:04:05.000006+00:00"}}'
    assert signed(HEAD, KEY) == signed(HEAD, KEY)


def test_a_heads_time_is_now():
    """A head that is made bears the present moment, UTC."""
    before = dt.datetime.now(dt.UTC)
    made = dt.datetime.fromisoformat(make_head(1, 2, HASH).time)
    assert before <= made <= dt.datetime.now(dt.UTC)
    assert made.utcoffset() == dt.timedelta(0)


@given(first=numbers, second=numbers)
def test_names_sort_as_their_numbers_do(first, second):
    """A listing by name is one by number, and the number can be read off the name."""
    assert (head_name(first) < head_name(second)) == (first < second)
    assert number_of(head_name(first)) == first


@pytest.mark.parametrize(
    "name",
    ["", "audit-heads/", "audit-heads/.json", "audit-heads/x.json", "audit-heads/1.json.bak", "eval_20260102.parquet"],
)
def test_what_is_no_heads_name_has_no_number(name):
    """An object that lies among the heads by chance is none."""
    assert number_of(name) == 0


@given(count=st.integers(0, 2**63 - 1))
def test_the_count_can_be_read_again(count):
    """How many entries a head covers is read off its bytes by who has its public key, and by nobody else."""
    content = signed(make_head(1, count, HASH), KEY)
    assert count_in(content, PUBLIC) == count
    assert count_in(content, Ed25519PrivateKey.generate().public_key()) == 0
    assert count_in(content.replace(b"count", b"Count"), PUBLIC) == 0
