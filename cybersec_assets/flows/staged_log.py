"""One log file as a run has it: a plain copy of its own, of which every byte was seen once."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cybersec_assets.artifact import Fingerprint
from cybersec_assets.flows.line_counts import LineCounts
from cybersec_assets.flows.parsing.mapping import Columns

HEAD_BYTES = 64 * 1024
CUT_LINE_BYTES = 1 << 18
"""How much a copy has of a line that is too long: it shows what the line is."""
HEAD_CUT_LINES = 16
PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class StagedLog:
    """A file and its beginning.

    Attributes:
        name: Its path or URL where its owner keeps it.
        path: Where the run's own copy lies, decompressed.
        first_line: The number of the copy's first line in the file.
        modified: When the file was written last, UTC.
        fingerprint: The file's own size and SHA-256, compressed as it may be.
        original: Where the file's own lines lie, where the run's copy has their records out of their wrappers; else
            None.
        columns: Which of its columns make each raw column; None for those with the raw layer's names.
        notes: What a person should know about how it was read, one line each.
        lines: The number of its lines; None for a format that has none.
        cut: The numbers of the lines of which the copy has the beginning only, because they are too long.
        line_counts: Counts of the lines that become no record, filled while the file is read.
    """

    name: str
    path: Path
    modified: dt.datetime
    fingerprint: Fingerprint
    first_line: int = field(default=1, kw_only=True)
    original: Path | None = field(default=None, kw_only=True)
    columns: Columns | None = field(default=None, hash=False, kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    lines: int | None = field(default=None, compare=False, kw_only=True)
    cut: Sequence[int] = field(default=(), compare=False, kw_only=True)
    line_counts: LineCounts = field(default_factory=LineCounts, compare=False, kw_only=True)

    @property
    def head(self) -> bytes:
        """The copy's first 64 KiB beside lines that are cut, read anew each time: thousands would fill the memory."""
        cut = sum(line < self.first_line + HEAD_CUT_LINES for line in self.cut)
        with self.path.open("rb") as copy:
            return copy.read(HEAD_BYTES + cut * CUT_LINE_BYTES)

    @property
    def first_lines(self) -> list[str]:
        """The lines of the head, without their ends; the last may be cut."""
        # Not `splitlines`, to which separators such as \x1e are ends too.
        return [line.removesuffix("\r") for line in self.head.decode("utf-8", "replace").removesuffix("\n").split("\n")]


def is_text(begin: bytes) -> bool:
    """Tell by a file's first bytes whether it has lines."""
    return not begin.startswith(PARQUET_MAGIC)
