"""The whole check, in one pass over the journal and in constant memory.

numbers of the heads → one snapshot of the database → entries in order, each with its row
    → right in itself? → in its place? → as the head that covers it says? → its object there, with its bytes?
"""

import datetime as dt
import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.chain import Chain
from cybersec_assets.audit.verify.entries import Entry, entry_fault
from cybersec_assets.audit.verify.findings import HEADS, JOURNAL, Damage, Finding
from cybersec_assets.audit.verify.heads import Heads, Objects, SignedHead
from cybersec_assets.audit.verify.snapshot import TABLES, Snapshot, snapshot_of
from cybersec_assets.errors import AuditError, ObjectMissingError

HeadsOrFindings = Iterator[SignedHead | Finding]
EVALUATIONS = "eval"
SUCCESS = "SUCCESS"
NO_LOCK = '"lock": null'
"""In an entry that an upgrade made; no head was signed for it."""
REJECTED = '"rejected": {'
"""In an entry whose row names the object that lines were set aside in; within a text its quotes would be escaped."""


@dataclass
class Counts:
    """How much was looked at."""

    entries: int = 0
    heads: int = 0
    objects: int = 0


class Named(NamedTuple):
    """An object that a row names, with the size and the SHA-256 that its bytes must have."""

    row: int
    uri: str
    bucket: str
    name: str
    size_and_hash: tuple[int, str]


class Verifier:
    """Check an audit.

    Args:
        engine: Its database.
        objects: Its object store.
        prefix: What every bucket's name begins with.
        trusted: The public keys that are trusted to sign heads, in base64.
    """

    def __init__(self, engine: sa.Engine, objects: Objects, prefix: str, trusted: Sequence[str]) -> None:
        """Note what is to be checked."""
        self._engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._objects = objects
        self._heads = Heads(objects, f"{prefix}-{EVALUATIONS}", trusted)
        self.counts = Counts()

    def findings(self, since: dt.datetime | None = None) -> Iterator[Finding]:
        """Give what is wrong.

        Args:
            since: Check only what was written from then on, UTC; all, if not given.

        Raises:
            StoreError: The store is away.
            SettingsError: No key is trusted.
            AuditError: A replica has not yet all that the heads cover.
            sqlalchemy.exc.SQLAlchemyError: The database is away, or its schema is another.
        """
        # Heads first: a head that is written while the journal is read would speak of entries outside the snapshot.
        last = self._heads.last()
        with snapshot_of(self._engine) as snapshot, ThreadPoolExecutor(1) as aside:
            self._refuse_lag(snapshot, last)
            first, prev_hash, first_head = self._beginning(snapshot, since, last)
            strays = aside.submit(snapshot.rows_without_entry, first)
            yield from snapshot.guards_that_are_off()
            chain = Chain(first, prev_hash, snapshot.is_named_twice)
            yield from self._follow(snapshot, self._heads.read(last, first_head), chain, has_heads=last > 0)
            self.counts.heads = self._heads.seen
            yield from strays.result()

    def _refuse_lag(self, snapshot: Snapshot, last: int) -> None:
        head = self._heads.newest(last) if snapshot.is_replica() else None
        if head is not None and snapshot.lags(head.count, head.time):
            problem = (
                f"this replica lags behind: it has not yet all {head.count} entries that head {head.number} covers"
            )
            raise AuditError(problem, "Check again later, or check the primary")

    def _beginning(self, snapshot: Snapshot, since: dt.datetime | None, last: int) -> tuple[int, str, int]:
        """Give the first entry's number, the hash that it must name, and the first head's number.

        A quick check begins behind a signed head, as the time that an entry says may be forged.
        """
        first = 1
        if since is not None:
            first = snapshot.first_since(since)
            head = self._heads.newest(last, lambda head: head.time < since and head.count < first)
            if head is not None:
                return head.count + 1, head.hash, head.number + 1
            first = 1 if last else first
        return first, snapshot.hash_before(first), 1

    def _follow(
        self, snapshot: Snapshot, heads: HeadsOrFindings, chain: Chain, *, has_heads: bool
    ) -> Iterator[Finding]:
        head, signed_ends = (yield from _next_head(heads)), 0
        for entry in snapshot.entries(chain.first):
            self.counts.entries += 1
            table = TABLES.get(entry.asset_key, JOURNAL)
            fault = entry_fault(entry, table)
            if fault is not None:
                yield fault
            is_sound = fault is None or fault.id == Damage.TABLES_APART
            if not (is_sound and chain.follows(entry)):
                yield from chain.faults(entry, is_sound=is_sound)
            while head is not None and head.count <= entry.seq:
                if head.count == entry.seq and head.hash != entry.hash and is_sound:
                    yield _contradicted(head)
                head = yield from _next_head(heads)
            if is_sound and (entry.kind == SUCCESS or REJECTED in entry.body):
                signed_ends += entry.kind == SUCCESS and NO_LOCK not in entry.body
                yield from self._object_faults(entry, table)
        if head is not None:
            what = f"the journal ends with entry {chain.seq}, but head {head.number} covers {head.count} entries"
            yield Finding(Damage.TAIL_CUT, JOURNAL, chain.seq, what)
            yield from (fault for fault in heads if isinstance(fault, Finding))
        elif not has_heads and (signed_ends > 1 or (chain.first > 1 and snapshot.has_signed_ends())):
            yield Finding(Damage.HEAD_MISSING, HEADS, 1, "the journal has entries, but no head was ever signed")

    def _object_faults(self, entry: Entry, table: str) -> Iterator[Finding]:
        """Read the objects that an entry's row names, every byte of them."""
        for named in _objects_of(entry):
            self.counts.objects += 1
            size, digest = 0, hashlib.sha256()
            try:
                for chunk in self._objects.chunks(named.bucket, named.name):
                    size += len(chunk)
                    digest.update(chunk)
            except ObjectMissingError:
                yield Finding(Damage.OBJECT_MISSING, table, named.row, f"{named.uri} is gone")
                continue
            if (size, digest.hexdigest()) != named.size_and_hash:
                what = f"{named.uri} has {size} bytes with SHA-256 {digest.hexdigest()}, not those that were recorded"
                yield Finding(Damage.OBJECT_CHANGED, table, named.row, what)


def _objects_of(entry: Entry) -> Iterator[Named]:
    """Give what a SUCCESS stored, and what lines were set aside in, however their phase ended."""
    try:
        row = json.loads(entry.body)["row"]
        if entry.kind == SUCCESS:
            yield _named(row, row[PHASES[entry.asset_key].path], row["size_bytes"], row["sha256"])
        if rejected := row.get("rejected"):
            yield _named(row, rejected["uri"], rejected["size"], rejected["sha256"])
    except (KeyError, TypeError, AttributeError):
        # That it names no object was told with the entry, or with its row.
        return


def _named(row: dict[str, Any], uri: str, size: int, sha256: str) -> Named:
    bucket, _, name = uri.removeprefix("s3://").partition("/")
    return Named(row["id"], uri, bucket, name, (size, sha256))


def _next_head(heads: HeadsOrFindings) -> Generator[Finding, None, SignedHead | None]:
    for head in heads:
        if isinstance(head, SignedHead):
            return head
        yield head
    return None


def _contradicted(head: SignedHead) -> Finding:
    what = f"entry {head.count} is not the one that head {head.number} was signed for"
    return Finding(Damage.JOURNAL_REPLACED, JOURNAL, head.count, what)
