"""The findings of a check. Their ids are stable, since scripts rely on them."""

from dataclasses import dataclass
from enum import StrEnum

JOURNAL = "audit_journal"
HEADS = "audit-heads"


class Damage(StrEnum):
    """A kind of damage."""

    ROW_CHANGED = "row-changed"
    ROW_DELETED = "row-deleted"
    TAIL_CUT = "tail-cut"
    HEAD_CUT = "head-cut"
    ROWS_REORDERED = "rows-reordered"
    FORK = "fork"
    JOURNAL_REPLACED = "journal-replaced"
    TABLES_APART = "tables-apart"
    OBJECT_MISSING = "object-missing"
    OBJECT_CHANGED = "object-changed"
    HEAD_MISSING = "head-missing"
    HEAD_SIGNATURE = "head-signature"
    HEAD_KEY = "head-key"
    PROTECTION_OFF = "protection-off"


@dataclass(frozen=True)
class Finding:
    """One damaged place.

    Attributes:
        id: The kind of damage.
        table: The table, or `audit-heads`.
        row: The journal's sequence number, the table's id or the head's number; 0 for a protection.
        what: A description for people.
    """

    id: Damage
    table: str
    row: int
    what: str
