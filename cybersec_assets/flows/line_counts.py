"""Counts of the lines of a log that become no record: headers, blank lines, and events of other kinds.

Every line of a log is kept, quarantined, or counted here under a name. `ingest` requires that these numbers add up to
the lines of the file. docs/logs.md lists the kinds of lines in each format.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

import polars as pl

from cybersec_assets.redaction import MARK, known_secrets, spellings_of

COMMENT = "comment"
HEADER = "header"
BLANK = "blank"
CONTINUATION = "continuation"
"""A further line of a CSV row whose quoted field has line ends."""
UNKNOWN = "unknown"
"""A JSON object without a type."""
OTHER = "other"
"""The name for events whose own name is not an identifier, or comes after MAX_NAMES others."""
MAX_NAMES = 50
MAX_NAME_CHARACTERS = 40
MAX_LABELS = 1_000
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""Names of events that are counted as they are: such a name is never an address, and any database can store it."""
KIND = "_kind"

# Polars calls back from several threads. A lock in the object could not be pickled.
_LOCK = Lock()


@dataclass
class LineCounts:
    """Counts of a file's lines.

    Attributes:
        others: The number of lines that become no record, by kind.
        joined: The number of lines that were added to a kept record of another line.
        rows: The number of rows of a file without lines.
        unlabelled: The number of records that parse and have a label without a known word.
        labels: Up to MAX_LABELS of these labels, with the number of records that have them.
    """

    others: Counter[str] = field(default_factory=Counter)
    joined: int = 0
    rows: int = 0
    unlabelled: int = 0
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, lines: int) -> None:
        """Count lines under a name, which may be from the log itself."""
        if not lines:
            return
        cut = name[:MAX_NAME_CHARACTERS]
        with _LOCK:
            is_usable = NAME.fullmatch(cut) and (cut in self.others or len(self.others) < MAX_NAMES)
            self.others[cut if is_usable else OTHER] += lines

    def merge(self, other: "LineCounts") -> None:
        """Add the counts of another file."""
        for name, lines in other.others.items():
            self.add(name, lines)
        self.joined += other.joined
        self.rows += other.rows
        self.unlabelled += other.unlabelled
        for label, records in other.labels.items():
            self._add_label(label, records)

    def count_labels(self, batch: pl.DataFrame) -> pl.DataFrame:
        """Count the records whose label has no known word, and return the batch unchanged.

        Args:
            batch: Records with the columns of ORIGIN.
        """
        unknown = batch["value"].filter(batch["fault"].is_null()).drop_nulls()
        with _LOCK:
            self.unlabelled += len(unknown)
            for label, records in unknown.value_counts(sort=True).iter_rows() if len(unknown) else ():
                self._add_label(label, records)
        return batch

    def _add_label(self, label: str, records: int) -> None:
        # Each label takes memory, and a log may have a new one in every line.
        if label in self.labels or len(self.labels) < MAX_LABELS:
            self.labels[label] += records

    @property
    def total(self) -> int:
        """The number of lines that are not the only line of a record."""
        return self.joined + self.others.total()

    def names(self) -> dict[str, int]:
        """Return the number of lines that become no record, by kind, most frequent first."""
        return dict(self.others.most_common())

    def skip(self, rows: pl.LazyFrame, kind: pl.Expr) -> pl.LazyFrame:
        """Count the rows that are no records while they are read, and return the other rows.

        Args:
            rows: Rows of the log, one a line.
            kind: The name under which a row is counted; null for a row that becomes a record.
        """
        # If Polars moved a filter or a slice below this step, rows would not be counted.
        counted = rows.with_columns(kind.cast(pl.String).alias(KIND)).map_batches(
            self._count, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False, streamable=True
        )
        return counted.drop(KIND)

    def _count(self, batch: pl.DataFrame) -> pl.DataFrame:
        kinds = batch[KIND]
        if kinds.null_count() == len(kinds):
            return batch
        names = kinds.drop_nulls()
        if secrets := spellings_of(known_secrets()):
            # Truncating first could leave part of a secret. MARK does not match NAME, so it is counted as OTHER.
            names = names.str.replace_many(secrets, [MARK], leftmost=True)
        for name, lines in names.str.slice(0, MAX_NAME_CHARACTERS + 1).value_counts().iter_rows():
            self.add(name, lines)
        return batch.filter(kinds.is_null())
