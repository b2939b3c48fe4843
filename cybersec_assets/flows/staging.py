"""Stage a log file: copy it into the run's own folder, decompress, hash and measure it in one pass.

    SourceFile → its bytes, hashed → decompressed → lines measured → StagedLog

The copy is what gets parsed. The SHA-256 in the audit is therefore that of the bytes that became flows, and a writer
that truncates the file meanwhile cannot crash the process, as it could if the file were mapped into memory.
Memory stays bounded, whatever the file's size.
"""

import datetime as dt
import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cybersec_assets.artifact import Fingerprint
from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.compression import CHUNK_BYTES, plain_chunks
from cybersec_assets.flows.line_counts import LineCounts
from cybersec_assets.sources.base import SourceFile, changed

MAX_LINE_BYTES = 1 << 20
"""The longest line that is read. No flow needs more, and readers hold many lines in memory at once."""
CUT_LINE_BYTES = 1 << 18
"""How much the copy keeps of a line that is too long: enough to show what it is."""
HEAD_BYTES = 64 * 1024
HEAD_CUT_LINES = 16
PARQUET_MAGIC = b"PAR1"
MAX_RATIO = 250
"""How many times its size a compressed file may become, whatever its compression.

Real logs reach 14 with gzip and 22 with xz, bzip2 and zstd; bombs reach 1,000 with gzip and 5,000 or more with the
others. Only a flood of identical records comes close to a bomb. Such a log must be decompressed first.
"""
RATIO_FROM_BYTES = 64 << 20
"""The decompressed size from which MAX_RATIO is enforced."""


@dataclass(frozen=True)
class StagedLog:
    """A log file as a run reads it: the run's own decompressed copy.

    Attributes:
        name: The path or URL of the source file.
        path: The path of the run's copy.
        modified: When the source file was last modified, UTC.
        fingerprint: The size and SHA-256 of the source file as stored, possibly compressed.
        first_line: The number that the copy's first line has in the source file.
        original: The path of the copy with the original lines, where `path` has their records without wrappers; else
            None.
        notes: Remarks for the user about how the file was read, one line each.
        lines: The number of lines; None for a format without lines.
        cut: The numbers of the lines that the copy has truncated because they are too long.
        line_counts: Counts of the lines that become no record, updated while the file is read.
    """

    name: str
    path: Path
    modified: dt.datetime
    fingerprint: Fingerprint
    first_line: int = field(default=1, kw_only=True)
    original: Path | None = field(default=None, kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    lines: int | None = field(default=None, compare=False, kw_only=True)
    cut: Sequence[int] = field(default=(), compare=False, kw_only=True)
    line_counts: LineCounts = field(default_factory=LineCounts, compare=False, kw_only=True)

    @property
    def head(self) -> bytes:
        """The copy's first 64 KiB, and more if lines there are truncated.

        It is read each time: the heads of thousands of files would fill the memory.
        """
        cut = sum(line < self.first_line + HEAD_CUT_LINES for line in self.cut)
        with self.path.open("rb") as copy:
            return copy.read(HEAD_BYTES + cut * CUT_LINE_BYTES)

    @property
    def first_lines(self) -> list[str]:
        """The lines of the head without their line ends; the last may be incomplete."""
        # `splitlines` would also split at characters such as \x1e.
        return [line.removesuffix("\r") for line in self.head.decode("utf-8", "replace").removesuffix("\n").split("\n")]


def is_text(begin: bytes) -> bool:
    """Return whether a file has lines, judged by its first bytes."""
    return not begin.startswith(PARQUET_MAGIC)


def stage(source: SourceFile, copy: Path) -> StagedLog:
    """Copy a log file into the run's folder.

    Args:
        source: The file.
        copy: The path of the copy, which must not exist.

    Raises:
        UnreadableLogError: The file is empty, damaged, a decompression bomb, or changed while it was read.
    """
    with source.open() as raw, copy.open("xb") as to:
        hashed = _Hashed(raw)
        notes = list[str]()
        lines = _LineWriter(to)
        written, has_lines = _write(source.name, hashed, lines, notes)
    if hashed.size != source.size:
        raise changed(source.name)
    if not written:
        raise UnreadableLogError(f"{source.name} is empty", "Restore the file or remove it from FLOWS_URI")
    fingerprint = Fingerprint(hashed.size, hashed.sha256)
    log = StagedLog(source.name, copy, source.modified, fingerprint, notes=tuple(notes))
    return replace(log, lines=lines.lines, cut=tuple(lines.cut)) if has_lines else log


def _write(name: str, hashed: "_Hashed", to: "_LineWriter", notes: list[str]) -> tuple[int, bool]:
    """Write a file's decompressed bytes; return their number before truncation, and whether they are lines."""
    written = 0
    has_lines = False
    for chunk in _read_ahead(_decompressed(name, hashed, notes)):
        has_lines = is_text(chunk) if written == 0 else has_lines
        if has_lines:
            to.write(chunk)
        else:
            to.write_whole(chunk)
        written += len(chunk)
        if written > max(RATIO_FROM_BYTES, MAX_RATIO * hashed.size):
            raise UnreadableLogError(
                f"{name} grows to over {MAX_RATIO} times its size when it is decompressed",
                "Remove it; if it is a log, decompress it first",
            )
    return written, has_lines


def _read_ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Fetch each chunk while the previous one is used: hashing and decompressing release the GIL."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, chunks, b"")
        while chunk := coming.result():
            coming = worker.submit(next, chunks, b"")
            yield chunk


def _decompressed(name: str, hashed: "_Hashed", notes: list[str]) -> Iterator[bytes]:
    try:
        yield from plain_chunks(name, io.BufferedReader(hashed, CHUNK_BYTES), notes)
    except OSError as error:
        raise UnreadableLogError(f"{name} cannot be read: {error}", "Restore the file or remove it") from error


class _Hashed(io.RawIOBase):
    """A stream that counts and hashes the bytes that are read from it."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base accepts any buffer
        chunk = self._raw.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._digest.update(chunk)
        self.size += len(chunk)
        return len(chunk)


class _LineWriter:
    """Write lines, count them, and truncate those that are too long.

    A line that begins and ends in one chunk cannot be too long, as no chunk is longer than MAX_LINE_BYTES.
    """

    def __init__(self, to: BinaryIO) -> None:
        self._to = to
        self._open = 0
        self._ended = 0
        self.cut: list[int] = []

    @property
    def lines(self) -> int:
        """The number of lines so far; the last need not have a line end."""
        return self._ended + (self._open > 0)

    def write_whole(self, chunk: bytes) -> None:
        """Write a chunk of a file without lines."""
        self._to.write(chunk)

    def write(self, chunk: bytes) -> None:
        """Write the next chunk of a file with lines."""
        first = chunk.find(b"\n")
        end = len(chunk) if first < 0 else first
        longest = self._open + end
        if longest > MAX_LINE_BYTES:
            if self._open <= MAX_LINE_BYTES:
                self._cut(chunk)
            self._to.write(memoryview(chunk)[end:])
        else:
            self._to.write(chunk)
        self._open = longest if first < 0 else len(chunk) - chunk.rfind(b"\n") - 1
        self._ended += 0 if first < 0 else int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == ord("\n")))

    def _cut(self, chunk: bytes) -> None:
        """Keep only the beginning of the current line, and record its number."""
        kept = min(self._open, CUT_LINE_BYTES)
        self._to.seek(kept - self._open, io.SEEK_CUR)
        self._to.truncate()
        self._to.write(memoryview(chunk)[: CUT_LINE_BYTES - kept])
        self.cut.append(self._ended + 1)
