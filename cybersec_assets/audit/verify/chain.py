"""The order of the journal's entries: no gap, no fork, each one naming the hash of the one before."""

from collections.abc import Callable, Iterator

from cybersec_assets.audit.verify.entries import Entry
from cybersec_assets.audit.verify.findings import JOURNAL, Damage, Finding

GENESIS = "0" * 64


class Chain:
    """Follow the entries one after the other.

    Args:
        first: The sequence number that the first entry must have.
        prev_hash: The hash that it must name.
        is_named_twice: Tells whether two entries name a hash; asked only where a link is broken.
    """

    def __init__(self, first: int, prev_hash: str, is_named_twice: Callable[[str], bool]) -> None:
        """Begin before the first entry."""
        self.first = first
        self.seq = first - 1
        self._hashes = {prev_hash}
        self._is_named_twice = is_named_twice
        self._is_sound = True

    def follows(self, entry: Entry) -> bool:
        """Go on with an entry that is right in itself, if it is in its place."""
        if entry.seq != self.seq + 1 or entry.prev_hash not in self._hashes or not self._is_sound:
            return False
        self.seq, self._hashes = entry.seq, {entry.hash}
        return True

    def faults(self, entry: Entry, *, is_sound: bool) -> Iterator[Finding]:
        """Go on with an entry that is not in its place, and give what is wrong with it.

        Args:
            entry: The next one.
            is_sound: Whether it is right in itself; the links of one that is not tell nothing new.
        """
        if entry.seq == self.seq:
            yield _fork(entry, f"two entries have the number {entry.seq}")
            self._hashes.add(entry.hash)
            return
        if entry.seq > self.seq + 1:
            yield from self._gap(entry.seq)
        elif self._is_sound and is_sound and entry.prev_hash not in self._hashes:
            yield self._broken(entry)
        self.seq, self._hashes, self._is_sound = entry.seq, {entry.hash}, is_sound

    def _gap(self, seq: int) -> Iterator[Finding]:
        if self.seq == 0:
            yield Finding(Damage.HEAD_CUT, JOURNAL, 1, f"the journal begins with entry {seq}")
            return
        for missing in range(self.seq + 1, seq):
            yield Finding(Damage.ROW_DELETED, JOURNAL, missing, f"entry {missing} is gone")

    def _broken(self, entry: Entry) -> Finding:
        if self.seq == 0:
            return Finding(Damage.HEAD_CUT, JOURNAL, 1, "the first entry names another before it")
        if self._is_named_twice(entry.prev_hash):
            return _fork(entry, f"entry {entry.seq} and another name the same entry before them")
        what = f"entry {self.seq} was changed: entry {entry.seq} names another hash"
        return Finding(Damage.ROW_CHANGED, JOURNAL, self.seq, what)


def _fork(entry: Entry, what: str) -> Finding:
    return Finding(Damage.FORK, JOURNAL, entry.seq, what)
