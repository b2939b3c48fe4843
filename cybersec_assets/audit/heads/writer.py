"""Number heads, and append them to those in the store.

    last number in the store → the next one, created only if its name is free → otherwise the one after

The store numbers the heads, not the journal, so that a writer that dies before its head is stored leaves no gap.
"""

import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.artifact import fingerprint_of
from cybersec_assets.audit.heads.head import (
    BUCKET,
    GREATEST,
    PREFIX,
    Head,
    count_in,
    head_name,
    make_head,
    number_of,
    signed,
)
from cybersec_assets.errors import ObjectMissingError, StoreError
from cybersec_assets.stores.base import ObjectStore


class HeadWriter:
    """Append heads to a store.

    Args:
        store: The store.
        prefix: The prefix of all bucket names.
        key: The key that signs the heads.
    """

    def __init__(self, store: ObjectStore, prefix: str, key: Ed25519PrivateKey) -> None:
        self._store = store
        self._bucket = f"{prefix}-{BUCKET}"
        self._key = key
        self._last = 0

    def append(self, count: int, entry_hash: str) -> None:
        """Sign the journal's current end, unless the last head covers it already.

        Args:
            count: How many entries the journal has.
            entry_hash: The last entry's hash.

        Raises:
            StoreError: The store cannot be reached or rejects the head, or no number is left.
        """
        while True:
            self._last = self._find_last()
            # Two writers may sign in another order than that of their entries; counts must never decrease.
            if self._count_of(self._last) >= count:
                return
            if self._last == GREATEST:
                raise StoreError(
                    f"the head {GREATEST} in {self._bucket} has the last possible number",
                    "Remove it: cybersec-assets did not write it",
                )
            is_created = self._create(make_head(self._last + 1, count, entry_hash))
            self._last += 1
            if is_created:
                return

    def _find_last(self) -> int:
        """Return the greatest number in the store, whatever is missing below it.

        The heads after the last known one are listed. A process lists all heads once, at 1,000 names a request: with
        four heads a day, ten years of history cost 15 requests. After that, a listing has only the newest heads.
        """
        listed = self._store.entries(self._bucket, PREFIX, after=head_name(self._last))
        return max((number_of(entry.name) for entry in listed), default=0) or self._last

    def _count_of(self, number: int) -> int:
        """Return how many entries a head signed by our key covers; a forged head must not prevent the next one."""
        try:
            content = b"".join(self._store.chunks(self._bucket, head_name(number))) if number else b""
        except ObjectMissingError:
            return 0
        return count_in(content, self._key.public_key())

    def _create(self, head: Head) -> bool:
        with tempfile.NamedTemporaryFile() as file:
            file.write(signed(head, self._key))
            file.flush()
            path = Path(file.name)
            return self._store.create(self._bucket, head_name(head.number), path, fingerprint_of(path))
