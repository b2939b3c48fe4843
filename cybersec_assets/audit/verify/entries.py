"""Check journal entries: their hash, their columns, their event row and their place in the chain."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cybersec_assets.audit.verify.findings import JOURNAL, Damage, Finding

GENESIS = "0" * 64
"""The previous hash of the first entry."""
STARTED = "STARTED"
HASHED_COLUMNS = ("seq", "at", "kind", "run_id", "asset_key", "partition_key", "attempt", "prev_hash")


class JournalRow(NamedTuple):
    """A row of the journal: one entry. `at` is the text that JSON has for the time."""

    seq: int
    at: str
    kind: str
    run_id: str
    asset_key: str
    partition_key: str
    attempt: int
    body: str
    prev_hash: str
    hash: str


class EventRow(NamedTuple):
    """A row of an event table.

    Attributes:
        seq: The number of the journal entry that the row refers to, None if it refers to no entry.
        asset_key: The asset whose events the table has.
        id: The row's id.
        content: All columns as JSON text.
    """

    seq: int | None
    asset_key: str
    id: int | None
    content: str


class Chain:
    """Follow the entries in order: no gap, no fork, and each has the hash of the entry before it.

    Args:
        first: The sequence number of the first entry.
        prev_hash: The previous hash of the first entry.
        has_two_successors: Return whether two entries have this previous hash; only called for a broken link.
    """

    def __init__(self, first: int, prev_hash: str, has_two_successors: Callable[[str], bool]) -> None:
        self.first = first
        self.seq = first - 1
        self._hashes = {prev_hash}
        self._has_two_successors = has_two_successors
        self._is_intact = True

    def check(self, entry: JournalRow, *, is_intact: bool) -> Iterator[Finding]:
        """Yield what is wrong with the place of the next entry.

        Args:
            entry: The next entry; its number is at least that of the entry before.
            is_intact: Whether the entry matches its hash and columns. A broken link to or from a changed entry is
                not reported a second time.
        """
        if entry.seq == self.seq:
            yield _fork(entry, f"two entries have the number {entry.seq}")
            self._hashes.add(entry.hash)
            return
        if entry.seq > self.seq + 1:
            yield from self._gap(entry.seq)
        elif self._is_intact and is_intact and entry.prev_hash not in self._hashes:
            yield self._broken_link(entry)
        self.seq = entry.seq
        self._hashes = {entry.hash}
        self._is_intact = is_intact

    def _gap(self, seq: int) -> Iterator[Finding]:
        if self.seq == 0:
            yield Finding(Damage.HEAD_CUT, JOURNAL, 1, f"the journal begins with entry {seq}")
            return
        for missing in range(self.seq + 1, seq):
            yield Finding(Damage.ROW_DELETED, JOURNAL, missing, f"entry {missing} is missing")

    def _broken_link(self, entry: JournalRow) -> Finding:
        if self.seq == 0:
            return Finding(Damage.HEAD_CUT, JOURNAL, 1, "the first entry follows another one, which is missing")
        if self._has_two_successors(entry.prev_hash):
            return _fork(entry, f"entry {entry.seq} and another entry follow the same one")
        what = f"entry {self.seq} was changed: entry {entry.seq} has another hash of it"
        return Finding(Damage.ROW_CHANGED, JOURNAL, self.seq, what)


def check_entry(entry: JournalRow, row: EventRow | None, table: str) -> Finding | None:
    """Return what is wrong with an entry itself, or with its event row.

    Args:
        entry: The entry.
        row: The event row that refers to it.
        table: The event table of its asset.
    """
    if None in entry:
        return _changed(entry, "one of its values is missing")
    if hashlib.sha256(entry.body.encode()).hexdigest() != entry.hash:
        return _changed(entry, "its body does not match its hash")
    try:
        body = json.loads(entry.body)
        recorded = {name: body[name] for name in HASHED_COLUMNS}
        if recorded["seq"] != entry.seq:
            what = f"entry {recorded['seq']} is in the place of entry {entry.seq}"
            return Finding(Damage.ROWS_REORDERED, JOURNAL, entry.seq, what)
        if recorded != {name: getattr(entry, name) for name in HASHED_COLUMNS}:
            return _changed(entry, "its columns do not match its body")
        return _check_row(entry, body["row"], row, table)
    except (ValueError, KeyError, TypeError, RecursionError):
        return _changed(entry, "its body is not one that the audit writes")


def unclaimed_rows(entries: list[JournalRow], rows: list[EventRow], tables: dict[str, str]) -> Iterator[Finding]:
    """Yield a finding for each event row that does not belong to an entry.

    Args:
        entries: All entries with one number.
        rows: All event rows that refer to this number.
        tables: The event table of each asset.
    """
    # Only the first row of a table can belong to an entry that ended a phase.
    assets = {entry.asset_key for entry in entries if entry.kind not in (None, STARTED)}
    for row in rows:
        if row.asset_key in assets:
            assets.remove(row.asset_key)
        else:
            what = f"row {row.id} belongs to no entry of the journal"
            yield Finding(Damage.TABLES_APART, tables[row.asset_key], row.id or 0, what)


def _check_row(entry: JournalRow, recorded: object, row: EventRow | None, table: str) -> Finding | None:
    if entry.kind == STARTED:
        return None if recorded is None else _changed(entry, "it is a STARTED entry, but has a row")
    if row is None:
        row_id = recorded.get("id", 0) if isinstance(recorded, dict) else 0
        return Finding(Damage.TABLES_APART, table, row_id, f"the row of journal entry {entry.seq} is missing")
    stored = json.loads(row.content)
    # Columns of a later release are null in the rows of an earlier one.
    expected = dict.fromkeys(stored) | recorded if isinstance(recorded, dict) else {}
    # Compare JSON, since Python takes 1, 1.0 and True for equal.
    different = [name for name in stored | expected if json.dumps(expected.get(name)) != json.dumps(stored.get(name))]
    if expected and not different:
        return None
    what = f"the row differs from journal entry {entry.seq} in {', '.join(different)}"
    return Finding(Damage.TABLES_APART, table, row.id or 0, what)


def _fork(entry: JournalRow, what: str) -> Finding:
    return Finding(Damage.FORK, JOURNAL, entry.seq, what)


def _changed(entry: JournalRow, why: str) -> Finding:
    return Finding(Damage.ROW_CHANGED, JOURNAL, entry.seq, f"entry {entry.seq} was changed: {why}")
