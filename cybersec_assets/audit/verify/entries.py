"""One entry of the journal held against itself and against its row.

Whether an entry's text is the one that its columns and its row make up was asked with it; only where it is not, it is
taken apart here, to say what is wrong. That keeps a check of a million entries fast.
"""

import hashlib
import json
from typing import NamedTuple

from cybersec_assets.audit.verify.findings import JOURNAL, Damage, Finding

STARTED = "STARTED"


class Entry(NamedTuple):
    """A row of the journal, and the row that it speaks of.

    Attributes:
        place: Where the database keeps it: an entry comes once for each row that claims to be its own.
        is_plain: Whether its text is the one that its columns and its row make up. What follows is given only if not.
        at: As PostgreSQL writes a timestamp; JSON has a T where that has a blank.
        event: The event table's row as JSON text; None where there is none.
    """

    seq: int
    kind: str
    asset_key: str
    body: str
    prev_hash: str
    hash: str
    event_id: int | None
    place: str
    is_plain: bool
    at: str
    run_id: str
    partition_key: str
    attempt: int
    event: str | None


def entry_fault(entry: Entry, table: str) -> Finding | None:
    """Say what is wrong with an entry in itself, if anything is.

    Args:
        entry: The entry.
        table: The event table of its asset.
    """
    try:
        if hashlib.sha256(entry.body.encode()).hexdigest() != entry.hash:
            return _changed(entry, "its text is not the one that was hashed")
        return None if entry.is_plain else _taken_apart(entry, table)
    except (TypeError, AttributeError):
        return _changed(entry, "one of its values is gone")


def _taken_apart(entry: Entry, table: str) -> Finding | None:
    try:
        said = json.loads(entry.body)
        columns = {name: said[name] for name in ("kind", "run_id", "asset_key", "partition_key", "attempt")}
        if said["seq"] != entry.seq:
            what = f"entry {said['seq']} stands in the place of entry {entry.seq}"
            return Finding(Damage.ROWS_REORDERED, JOURNAL, entry.seq, what)
        found = {name: getattr(entry, name) for name in columns}
        if columns != found or said["at"] != entry.at.replace(" ", "T") or said["prev_hash"] != entry.prev_hash:
            return _changed(entry, "its columns are not what its text says")
        return _row_fault(entry, table, said["row"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return _changed(entry, "its text is none that the audit writes")


def _row_fault(entry: Entry, table: str, said: object) -> Finding | None:
    if entry.kind == STARTED:
        return None if said is None else _changed(entry, "it speaks of a row")
    if entry.event is None:
        what = f"the row that the journal's entry {entry.seq} tells of is gone"
        row = said.get("id", 0) if isinstance(said, dict) else 0
        return Finding(Damage.TABLES_APART, table, row, what)
    found = json.loads(entry.event)
    # Columns that came with a later release are null in the rows of an earlier one.
    known = dict.fromkeys(found) | said if isinstance(said, dict) else {}
    # As texts: to Python 1, 1.0 and true are the same.
    names = [name for name in found | known if json.dumps(known.get(name)) != json.dumps(found.get(name))]
    if not names and known:
        return None
    what = f"{', '.join(names)} differ from the journal's entry {entry.seq}"
    return Finding(Damage.TABLES_APART, table, entry.event_id or 0, what)


def _changed(entry: Entry, why: str) -> Finding:
    return Finding(Damage.ROW_CHANGED, JOURNAL, entry.seq, f"entry {entry.seq} was changed: {why}")
