"""Check the whole audit in one pass over the journal, in constant memory.

The check reads one moment of the database, and the heads that existed before it. For each entry it compares hash,
columns and event row, then the link to the entry before, the signed head that covers it, and the bytes of its objects.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.entries import Chain, EventRow, JournalRow, check_entry, unclaimed_rows
from cybersec_assets.audit.verify.findings import HEADS, JOURNAL, Damage, Finding
from cybersec_assets.audit.verify.heads import Heads, Objects, SignedHead
from cybersec_assets.audit.verify.snapshot import TABLES, Snapshot, open_snapshot
from cybersec_assets.errors import AuditError, ObjectMissingError

HeadsOrFindings = Iterator[SignedHead | Finding]
EVALUATIONS = "eval"
SUCCESS = "SUCCESS"
NO_LOCK = '"lock": null'
"""Part of the body of an entry that a migration wrote; no head was signed for it."""
REJECTED = '"rejected": {'
"""Part of the body of an entry whose row refers to a quarantine object; within a value its quotes would be escaped."""


@dataclass
class Counts:
    """How much was checked."""

    entries: int = 0
    heads: int = 0
    objects: int = 0


class RecordedObject(NamedTuple):
    """An object that a row refers to: its bucket and name as a path, and the recorded size and SHA-256."""

    row: int
    path: str
    size: int
    sha256: str


class Verifier:
    """Check an audit.

    Args:
        engine: The audit database.
        objects: The object store.
        prefix: The prefix of all bucket names.
        trusted: The public keys that are trusted to sign heads, in base64.
    """

    def __init__(self, engine: sa.Engine, objects: Objects, prefix: str, trusted: Sequence[str]) -> None:
        self._engine = engine
        self._objects = objects
        self._heads = Heads(objects, f"{prefix}-{EVALUATIONS}", trusted)
        self.counts = Counts()

    def findings(self, since: dt.datetime | None = None) -> Iterator[Finding]:
        """Yield all damage, as it is found.

        Args:
            since: Only check entries from this time on, UTC. Default: all.

        Raises:
            StoreError: The object store cannot be reached.
            SettingsError: No key is trusted.
            AuditError: A replica has not received all entries that the heads cover.
            sqlalchemy.exc.SQLAlchemyError: The database cannot be reached or has another schema.
        """
        # Heads first: one that is written while the journal is read would cover entries that the snapshot lacks.
        last = self._heads.last()
        with open_snapshot(self._engine) as snapshot:
            self._require_caught_up(snapshot, last)
            first, prev_hash, first_head = self._beginning(snapshot, since, last)
            yield from snapshot.protection_findings()
            chain = Chain(first, prev_hash, snapshot.has_two_successors)
            yield from self._check_journal(snapshot, chain, self._heads.read(last, first_head), has_heads=last > 0)
            self.counts.heads = self._heads.seen

    def _require_caught_up(self, snapshot: Snapshot, last: int) -> None:
        head = self._heads.newest(last) if snapshot.is_replica() else None
        if head is not None and snapshot.lags(head.count, head.time):
            problem = (
                f"this replica lags behind: head {head.number} covers {head.count} entries, which are not all here"
            )
            raise AuditError(problem, "Check again later, or check the primary")

    def _beginning(self, snapshot: Snapshot, since: dt.datetime | None, last: int) -> tuple[int, str, int]:
        """Return the first entry's number, its previous hash, and the first head's number.

        With `since` the check begins behind a signed head, because the time of an entry may be forged.
        """
        first = 1
        if since is not None:
            first = snapshot.first_since(since)
            head = self._heads.newest(last, lambda head: head.time < since and head.count < first)
            if head is not None:
                return head.count + 1, head.hash, head.number + 1
            first = 1 if last else first
        return first, snapshot.hash_before(first), 1

    def _check_journal(
        self, snapshot: Snapshot, chain: Chain, heads: HeadsOrFindings, *, has_heads: bool
    ) -> Iterator[Finding]:
        head = yield from _next_head(heads)
        last_seq = snapshot.last_seq()
        signed_successes = 0
        is_end_checked = False
        for entries, rows in snapshot.entries_and_rows(chain.first):
            if not entries and not is_end_checked and chain.seq >= last_seq:
                # A truncated journal is reported before the rows that its missing entries leave behind.
                yield from _check_end(chain, head, heads)
                is_end_checked = True
            for entry in entries:
                is_intact = yield from self._check_entry(entry, rows, chain)
                while head is not None and head.count <= entry.seq:
                    if head.count == entry.seq and head.hash != entry.hash and is_intact:
                        what = f"entry {head.count} is not the one that head {head.number} was signed for"
                        yield Finding(Damage.JOURNAL_REPLACED, JOURNAL, head.count, what)
                    head = yield from _next_head(heads)
                if is_intact:
                    signed_successes += entry.kind == SUCCESS and NO_LOCK not in entry.body
                    yield from self._check_objects(entry)
            yield from unclaimed_rows(entries, rows, TABLES)
        if not is_end_checked:
            yield from _check_end(chain, head, heads)
        if not has_heads and (signed_successes > 1 or (chain.first > 1 and snapshot.has_signed_successes())):
            yield Finding(Damage.HEAD_MISSING, HEADS, 1, "the journal has entries, but no head was ever signed")

    def _check_entry(self, entry: JournalRow, rows: Sequence[EventRow], chain: Chain) -> Generator[Finding, None, bool]:
        """Yield what is wrong with an entry, and return whether it matches its hash and columns."""
        self.counts.entries += 1
        row = next((row for row in rows if row.asset_key == entry.asset_key), None)
        finding = check_entry(entry, row, TABLES.get(entry.asset_key, JOURNAL))
        if finding is not None:
            yield finding
        is_intact = finding is None or finding.id == Damage.TABLES_APART
        yield from chain.check(entry, is_intact=is_intact)
        return is_intact

    def _check_objects(self, entry: JournalRow) -> Iterator[Finding]:
        """Read the objects that an entry's row refers to, and compare their bytes with what was recorded."""
        table = TABLES.get(entry.asset_key, JOURNAL)
        for recorded in _recorded_objects(entry):
            self.counts.objects += 1
            bucket, _, name = recorded.path.partition("/")
            size = 0
            digest = hashlib.sha256()
            try:
                for chunk in self._objects.chunks(bucket, name):
                    size += len(chunk)
                    digest.update(chunk)
            except ObjectMissingError:
                yield Finding(Damage.OBJECT_MISSING, table, recorded.row, f"s3://{recorded.path} is missing")
                continue
            if size != recorded.size or digest.hexdigest() != recorded.sha256:
                found = f"{size} bytes with SHA-256 {digest.hexdigest()}"
                what = f"s3://{recorded.path} has {found}, which differs from the record"
                yield Finding(Damage.OBJECT_CHANGED, table, recorded.row, what)


def _recorded_objects(entry: JournalRow) -> Iterator[RecordedObject]:
    """Yield the object of a SUCCESS, and the quarantine object of any phase."""
    if entry.kind != SUCCESS and REJECTED not in entry.body:
        return
    try:
        row: dict[str, Any] = json.loads(entry.body)["row"]
        if entry.kind == SUCCESS:
            path = row[PHASES[entry.asset_key].path].removeprefix("s3://")
            yield RecordedObject(row["id"], path, row["size_bytes"], row["sha256"])
        if rejected := row.get("rejected"):
            path = rejected["uri"].removeprefix("s3://")
            yield RecordedObject(row["id"], path, rejected["size"], rejected["sha256"])
    except (KeyError, TypeError, AttributeError):
        # A row that refers to no object differs from the event table, which is reported already.
        return


def _check_end(chain: Chain, head: SignedHead | None, heads: HeadsOrFindings) -> Iterator[Finding]:
    """Yield what is wrong with the journal's end: a head that was not reached covers entries that are missing."""
    if head is None:
        return
    what = f"the journal ends with entry {chain.seq}, but head {head.number} covers {head.count} entries"
    yield Finding(Damage.TAIL_CUT, JOURNAL, chain.seq, what)
    yield from (finding for finding in heads if isinstance(finding, Finding))


def _next_head(heads: HeadsOrFindings) -> Generator[Finding, None, SignedHead | None]:
    for head in heads:
        if isinstance(head, SignedHead):
            return head
        yield head
    return None
