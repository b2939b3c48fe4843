"""The signed heads, read from the store and checked one by one.

names in order → a gap is a missing head → bytes → key trusted? → signature right? → a head to hold the journal to
"""

import base64
import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cybersec_assets.audit.verify.findings import HEADS, Damage, Finding
from cybersec_assets.errors import ObjectMissingError, SettingsError

PREFIX = "audit-heads/"
NAME = re.compile(r"audit-heads/([0-9]{12})\.json")
SIGNED_FOR = b"cybersec-assets audit head 1\n"


class Listed(Protocol):
    """An object in a listing."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


class Objects(Protocol):
    """Where objects are read from."""

    def chunks(self, bucket: str, name: str) -> Iterator[bytes]:
        """Read an object's bytes; ObjectMissingError where there is none."""
        ...

    def entries(self, bucket: str, prefix: str = ...) -> Iterator[Listed]:
        """List a bucket's objects in the order of their names."""
        ...


@dataclass(frozen=True)
class SignedHead:
    """A head whose signature is right; its time is UTC, without a zone as the database's are."""

    number: int
    count: int
    hash: str
    time: dt.datetime


class Heads:
    """Read the heads of a journal.

    Args:
        objects: Where from.
        bucket: In which bucket.
        trusted: The public keys that are trusted, in base64.
    """

    def __init__(self, objects: Objects, bucket: str, trusted: Sequence[str]) -> None:
        """Note where the heads are."""
        self._objects = objects
        self._bucket = bucket
        self._keys: Mapping[str, bytes] = {
            hashlib.sha256(raw).hexdigest()[:16]: raw for raw in map(base64.b64decode, trusted)
        }
        self.seen = 0

    def last(self) -> int:
        """Give the greatest number; what is written later is no matter of this check.

        Raises:
            SettingsError: There are heads, but no key is trusted.
            StoreError: The store is away.
        """
        last = max(self._numbers(), default=0)
        if last and not self._keys:
            raise SettingsError("no key is trusted to sign the audit's heads", "Set AUDIT_TRUSTED_KEYS")
        return last

    def read(self, last: int, since: int = 1) -> Iterator[SignedHead | Finding]:
        """Give every head that is right, and a finding for each that is not.

        Args:
            last: The greatest number that is asked for.
            since: The smallest.

        Raises:
            StoreError: The store is away.
        """
        expected = since
        for number in self._numbers():
            if since <= number <= last:
                for gap in range(expected, number):
                    yield Finding(Damage.HEAD_MISSING, HEADS, gap, f"there is no head {gap}, but head {number}")
                self.seen += 1
                yield self._check(number)
                expected = number + 1

    def newest(self, last: int, is_wanted: Callable[[SignedHead], bool] = lambda _: True) -> SignedHead | None:
        """Give the last right head that is wanted, looking backwards from a number."""
        for number in sorted((number for number in self._numbers() if number <= last), reverse=True):
            head = self._check(number)
            if isinstance(head, SignedHead) and is_wanted(head):
                return head
        return None

    def _numbers(self) -> Iterator[int]:
        matches = (NAME.fullmatch(entry.name) for entry in self._objects.entries(self._bucket, PREFIX))
        return (int(match[1]) for match in matches if match)

    def _check(self, number: int) -> SignedHead | Finding:
        try:
            document = json.loads(b"".join(self._objects.chunks(self._bucket, f"{PREFIX}{number:012d}.json")))
            text, key, signature = document["head"], document["key"], base64.b64decode(document["signature"])
            if key not in self._keys:
                return Finding(Damage.HEAD_KEY, HEADS, number, f"head {number} is signed with key {key}: not trusted")
            Ed25519PublicKey.from_public_bytes(self._keys[key]).verify(signature, SIGNED_FOR + text.encode())
            said = json.loads(text)
            time = dt.datetime.fromisoformat(said["time"]).astimezone(dt.UTC).replace(tzinfo=None)
            head = SignedHead(said["number"], said["count"], said["hash"], time)
        except ObjectMissingError:
            return Finding(Damage.HEAD_MISSING, HEADS, number, f"there is no head {number}")
        except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Finding(Damage.HEAD_SIGNATURE, HEADS, number, f"the signature of head {number} is wrong")
        if head.number != number:
            what = f"head {head.number} stands in the place of head {number}"
            return Finding(Damage.HEAD_SIGNATURE, HEADS, number, what)
        return head
