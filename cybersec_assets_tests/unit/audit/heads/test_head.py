"""A head can be verified with the public key alone."""

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
    """Return the public key from its 32 bytes."""
    return Ed25519PublicKey.from_public_bytes(KEY.public_key().public_bytes_raw())


def verify(document, text=None, purpose=PURPOSE):
    """Verify a document's signature, optionally of another text or for another purpose."""
    signature = base64.b64decode(document["signature"], validate=True)
    public_key().verify(signature, purpose + (document["head"] if text is None else text).encode())


def test_the_signature_covers_purpose_and_text():
    verify(json.loads(signed(HEAD, KEY)))


@pytest.mark.parametrize("field", ["number", "count", "hash", "time"])
def test_a_changed_text_is_not_signed(field):
    document = json.loads(signed(HEAD, KEY))
    values = json.loads(document["head"])
    values[field] = (
        values[field] + 1 if isinstance(values[field], int) else values[field].replace("0", "1").replace("b", "c")
    )
    forged = json.dumps(values, sort_keys=True, separators=(",", ":"))
    assert forged != document["head"]
    with pytest.raises(InvalidSignature):
        verify(document, forged)


@pytest.mark.parametrize("purpose", [b"", b"cybersec-assets audit head 2\n"])
def test_the_signature_is_invalid_for_another_purpose(purpose):
    with pytest.raises(InvalidSignature):
        verify(json.loads(signed(HEAD, KEY)), purpose=purpose)


def test_a_head_names_its_key():
    """The private key is not in the object."""
    content = signed(HEAD, KEY)
    assert json.loads(content)["key"] == hashlib.sha256(public_key().public_bytes_raw()).hexdigest()[:16]
    for secret in (base64.b64encode(KEY.private_bytes_raw()), KEY.private_bytes_raw().hex().encode()):
        assert secret not in content


def test_the_text_is_canonical_json():
    text = json.loads(signed(HEAD, KEY))["head"]
    assert text == f'{{"count":12,"hash":"{HASH}","number":3,"time":"2026-01-02T03:04:05.000006+00:00"}}'
    assert signed(HEAD, KEY) == signed(HEAD, KEY)


def test_a_heads_time_is_now():
    before = dt.datetime.now(dt.UTC)
    made = dt.datetime.fromisoformat(make_head(1, 2, HASH).time)
    assert before <= made <= dt.datetime.now(dt.UTC)
    assert made.utcoffset() == dt.timedelta(0)


@given(first=numbers, second=numbers)
def test_names_sort_as_numbers(first, second):
    assert (head_name(first) < head_name(second)) == (first < second)
    assert number_of(head_name(first)) == first


@pytest.mark.parametrize(
    "name",
    ["", "audit-heads/", "audit-heads/.json", "audit-heads/x.json", "audit-heads/1.json.bak", "eval_20260102.parquet"],
)
def test_other_names_have_no_number(name):
    assert number_of(name) == 0


@given(count=st.integers(0, 2**63 - 1))
def test_the_count_is_read_with_the_right_key_only(count):
    content = signed(make_head(1, count, HASH), KEY)
    assert count_in(content, PUBLIC) == count
    assert count_in(content, Ed25519PrivateKey.generate().public_key()) == 0
    assert count_in(content.replace(b"count", b"Count"), PUBLIC) == 0
