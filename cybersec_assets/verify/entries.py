"""One entry of the journal held against itself and against its row.

The database writes an entry's text as PostgreSQL writes jsonb: keys by length, then by bytes. So the text that the
columns and the row make up is put together here and compared as a whole; only where it differs is it taken apart, to
say what is wrong. That keeps a check of a million entries about as fast as reading and hashing them.
"""

import hashlib
import json
import re
from json.encoder import encode_basestring as quoted
from typing import NamedTuple

from cybersec_assets.verify.findings import JOURNAL, Damage, Finding

STARTED = "STARTED"
MIDDLE = re.compile(r"(?:\d+|null)")
"""The lock, which no column holds."""


class Entry(NamedTuple):
    """A row of the journal, and the row that it speaks of.

    Attributes:
        place: Where the database keeps it: an entry comes once for each row that claims to be its own.
        at: As PostgreSQL writes a timestamp; JSON has a T where that has a blank.
        event: The event table's row as JSON text; None where there is none.
    """

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
    event: str | None
    event_id: int | None
    place: str


def entry_fault(entry: Entry, table: str) -> Finding | None:
    """Say what is wrong with an entry in itself, if anything is.

    Args:
        entry: The entry.
        table: The event table of its asset.
    """
    try:
        if hashlib.sha256(entry.body.encode()).hexdigest() != entry.hash:
            return _changed(entry, "its text is not the one that was hashed")
        return None if _is_as_its_columns_say(entry) else _taken_apart(entry, table)
    except (TypeError, AttributeError):
        return _changed(entry, "one of its values is gone")


def _is_as_its_columns_say(entry: Entry) -> bool:
    seq, at, kind, run_id, asset_key, partition_key, attempt, body, prev_hash, _, event, *_ = entry
    row, at = "null" if kind == STARTED else event, at.replace(" ", "T")
    begin = f'{{"at": "{at}", "row": {row}, "seq": {seq}, "kind": "{kind}", "lock": '
    end = (
        f', "run_id": {quoted(run_id)}, "attempt": {attempt}, "asset_key": {quoted(asset_key)}, '
        f'"prev_hash": "{prev_hash}", "partition_key": {quoted(partition_key)}}}'
    )
    is_framed = body.startswith(begin) and body.endswith(end)
    return is_framed and MIDDLE.fullmatch(body, len(begin), len(body) - len(end)) is not None


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
