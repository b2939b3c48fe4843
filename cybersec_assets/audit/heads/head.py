"""A head: a signed, numbered statement of the journal's length and its last hash.

It is an object `audit-heads/<number>.json` of the bucket for evaluations:

    {"head": "<the text that is signed>", "key": "<public key's SHA-256, 16 hex digits>", "signature": "<base64>"}

The signed text is JSON with the keys count, hash, number and time. A line that names the purpose is signed before it.
"""

import base64
import datetime as dt
import hashlib
import json
import re
from dataclasses import asdict, dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

BUCKET = "eval"
PREFIX = "audit-heads/"
DIGITS = 12
GREATEST = 10**DIGITS - 1
NAME = re.compile(rf"{PREFIX}([0-9]{{{DIGITS}}})\.json")
PURPOSE = b"cybersec-assets audit head 1\n"
"""Precedes the signed text, so that a signature made for another purpose is not valid for a head."""


@dataclass(frozen=True)
class Head:
    """The signed values.

    Attributes:
        number: The head's number, from 1.
        count: How many entries the journal had.
        hash: The last entry's hash.
        time: When it was signed, UTC, ISO 8601.
    """

    number: int
    count: int
    hash: str
    time: str


def head_name(number: int) -> str:
    """Return a head's object name; names sort as numbers do."""
    return f"{PREFIX}{number:0{DIGITS}}.json"


def number_of(name: str) -> int:
    """Return the number in a head's object name, or 0 for any other name."""
    found = NAME.fullmatch(name)
    return int(found[1]) if found else 0


def count_in(content: bytes, key: Ed25519PublicKey) -> int:
    """Return how many entries a head covers, or 0 where its bytes are invalid or another key signed them."""
    try:
        document = json.loads(content)
        text = document["head"]
        key.verify(base64.b64decode(document["signature"]), PURPOSE + text.encode())
        return int(json.loads(text)["count"])
    except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return 0


def make_head(number: int, count: int, entry_hash: str) -> Head:
    """Return a head with the current time."""
    return Head(number, count, entry_hash, dt.datetime.now(dt.UTC).isoformat(timespec="microseconds"))


def signed(head: Head, key: Ed25519PrivateKey) -> bytes:
    """Sign a head and return the bytes of its object."""
    text = json.dumps(asdict(head), sort_keys=True, separators=(",", ":"))
    raw = key.public_key().public_bytes_raw()
    document = {
        "head": text,
        "key": hashlib.sha256(raw).hexdigest()[:16],
        "signature": base64.b64encode(key.sign(PURPOSE + text.encode())).decode(),
    }
    return json.dumps(document).encode()
