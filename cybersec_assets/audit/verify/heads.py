"""Read the signed heads from the object store and check each: no gap, a trusted key, a valid signature."""

import base64
import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
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
        """The object's name."""
        ...


class Objects(Protocol):
    """The part of an object store that a check reads."""

    def chunks(self, bucket: str, name: str) -> Iterator[bytes]:
        """Yield an object's bytes, or raise ObjectMissingError."""
        ...

    def entries(self, bucket: str, prefix: str = ...) -> Iterator[Listed]:
        """Yield a bucket's objects in the order of their names."""
        ...


@dataclass(frozen=True)
class SignedHead:
    """A head with a valid signature. Its time is UTC without a zone, as times in the database."""

    number: int
    count: int
    hash: str
    time: dt.datetime


class Heads:
    """Read the heads of a journal.

    Args:
        objects: The object store.
        bucket: The heads' bucket.
        trusted: The trusted public keys in base64.

    Attributes:
        seen: The number of heads that were read.
    """

    def __init__(self, objects: Objects, bucket: str, trusted: Sequence[str]) -> None:
        self._objects = objects
        self._bucket = bucket
        keys = [base64.b64decode(text) for text in trusted]
        self._keys = {hashlib.sha256(key).hexdigest()[:16]: key for key in keys}
        self.seen = 0

    def last(self) -> int:
        """Return the greatest number, or 0 without heads. A check ignores heads that are written later.

        Raises:
            SettingsError: There are heads, but no key is trusted.
            StoreError: The object store cannot be reached.
        """
        last = max(self._numbers(), default=0)
        if last and not self._keys:
            raise SettingsError("no key is trusted to sign the audit's heads", "Set AUDIT_TRUSTED_KEYS")
        return last

    def read(self, last: int, since: int = 1) -> Iterator[SignedHead | Finding]:
        """Yield each valid head, and a finding for each that is invalid or missing.

        Args:
            last: The greatest number.
            since: The smallest number.

        Raises:
            StoreError: The object store cannot be reached.
        """
        expected = since
        for number in self._numbers():
            if since <= number <= last:
                for gap in range(expected, number):
                    yield Finding(Damage.HEAD_MISSING, HEADS, gap, f"head {gap} is missing, but head {number} exists")
                self.seen += 1
                yield self._check(number)
                expected = number + 1

    def newest(self, last: int, is_wanted: Callable[[SignedHead], bool] = lambda _: True) -> SignedHead | None:
        """Return the valid head with the greatest number, not above `last`, that `is_wanted` accepts."""
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
            text = document["head"]
            key = document["key"]
            signature = base64.b64decode(document["signature"])
            if key not in self._keys:
                what = f"head {number} is signed with key {key}, which is not trusted"
                return Finding(Damage.HEAD_KEY, HEADS, number, what)
            Ed25519PublicKey.from_public_bytes(self._keys[key]).verify(signature, SIGNED_FOR + text.encode())
            signed = json.loads(text)
            time = dt.datetime.fromisoformat(signed["time"]).astimezone(dt.UTC).replace(tzinfo=None)
            head = SignedHead(signed["number"], signed["count"], signed["hash"], time)
        except ObjectMissingError:
            return Finding(Damage.HEAD_MISSING, HEADS, number, f"head {number} is missing")
        except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Finding(Damage.HEAD_SIGNATURE, HEADS, number, f"the signature of head {number} is invalid")
        if head.number != number:
            what = f"head {head.number} is in the place of head {number}"
            return Finding(Damage.HEAD_SIGNATURE, HEADS, number, what)
        return head
