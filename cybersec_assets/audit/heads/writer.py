"""Gives heads their numbers and puts them into the store.

    last number in the store → the next one, created only if its name is free → else the one after

Numbers are the store's matter and not the journal's, so that a writer that dies before its head leaves no gap.
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

PAGE = 1000


class HeadWriter:
    """Put heads into a store.

    Args:
        store: Where to.
        prefix: What every bucket's name begins with.
        key: What signs them.
    """

    def __init__(self, store: ObjectStore, prefix: str, key: Ed25519PrivateKey) -> None:
        """Note where and with what; nothing is asked of the store yet."""
        self._store = store
        self._bucket = f"{prefix}-{BUCKET}"
        self._key = key
        self._last = 0

    def put(self, count: int, entry_hash: str) -> None:
        """Sign the journal's present end, unless the last head covers it already.

        Args:
            count: How many entries it has.
            entry_hash: The last one's hash.

        Raises:
            StoreError: The store refuses or is away.
        """
        while True:
            self._last = self._find_last()
            # Heads of two writers may come in the other order than their entries; counts must not go backwards.
            if self._count_of(self._last) >= count:
                return
            if self._last == GREATEST:
                raise StoreError(f"there is a head {GREATEST} in {self._bucket}", "Remove it: nobody signed so many")
            is_ours = self._create(make_head(self._last + 1, count, entry_hash))
            self._last += 1
            if is_ours:
                return

    def _find_last(self) -> int:
        """Find the greatest number in the store, whatever is missing below it, in a few questions."""
        low, step = self._last, PAGE
        while found := self._greatest_after(low + step, limit=1):
            low, step = found, step * 2
        while step > PAGE:
            step //= 2
            low = self._greatest_after(low + step, limit=1) or low
        while found := self._greatest_after(low, limit=PAGE):
            low = found
        return low

    def _greatest_after(self, number: int, limit: int) -> int:
        after = head_name(min(number, GREATEST))
        listed = self._store.entries(self._bucket, PREFIX, after=after, limit=limit)
        return max((number_of(entry.name) for entry in listed), default=0)

    def _count_of(self, number: int) -> int:
        """Give how many entries a head of ours covers; a forged one must not keep us from signing what it claims."""
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
