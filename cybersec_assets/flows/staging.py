"""A log file brought into the run's own folder: decompressed, hashed, measured, in one pass and in bounded memory.

    SourceFile → its bytes, hashed → decompressed → lines measured → StagedLog

The copy is what gets parsed, so that the audit's SHA-256 is that of the very bytes that became flows, and a file that
its writer cuts off meanwhile cannot take the process with it, as one that is mapped into memory would.
"""

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cybersec_assets.artifact import Fingerprint
from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.compression import CHUNK_BYTES, plain_chunks
from cybersec_assets.flows.staged_log import CUT_LINE_BYTES, StagedLog, is_text
from cybersec_assets.sources.base import SourceFile, changed

MAX_LINE_BYTES = 1 << 20
"""No flow takes a longer line, and whatever reads lines holds many of them at once."""
MAX_RATIO = 250
"""How many times its size a compressed file may become, whatever its compression.

Real logs reach 14 with gzip and 22 with xz, bzip2 and zstd; bombs 1,000 with gzip and 5,000 or more with the others.
Only a flood whose records are all alike comes close to a bomb: whoever has one decompresses it first.
"""
RATIO_FROM_BYTES = 64 << 20
"""From which size on the ratio counts."""


def stage(source: SourceFile, copy: Path) -> StagedLog:
    """Make the run's own copy of a log file.

    Args:
        source: The file.
        copy: Where the copy goes; nothing is there yet.

    Raises:
        UnreadableLogError: It is empty, damaged, a bomb, or changed while it was read.
    """
    with source.open() as raw, copy.open("xb") as to:
        hashed = _Hashed(raw)
        notes = list[str]()
        lines = _LineWriter(to)
        written, has_lines = _write(source.name, hashed, lines, notes)
    if hashed.size != source.size:
        raise changed(source.name)
    if not written:
        raise UnreadableLogError(f"{source.name} is empty", "Restore the file or take it out of FLOWS_URI")
    found = Fingerprint(hashed.size, hashed.sha256)
    log = StagedLog(source.name, copy, source.modified, found, notes=tuple(notes))
    return replace(log, lines=lines.lines, cut=tuple(lines.cut)) if has_lines else log


def _write(name: str, hashed: "_Hashed", to: "_LineWriter", notes: list[str]) -> tuple[int, bool]:
    """Write a file's plain bytes, and return how many there are, cut or not, and whether they are lines."""
    written = 0
    has_lines = False
    for chunk in _ahead(_plain(name, hashed, notes)):
        has_lines = is_text(chunk) if written == 0 else has_lines
        if has_lines:
            to.write(chunk)
        else:
            to.write_whole(chunk)
        written += len(chunk)
        if written > max(RATIO_FROM_BYTES, MAX_RATIO * hashed.size):
            raise UnreadableLogError(
                f"{name} becomes over {MAX_RATIO} times its size when it is decompressed",
                "Take it out; if it is a log, decompress it first",
            )
    return written, has_lines


def _ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Fetch each chunk while the one before is used: hashing and decompressing leave Python's lock to others."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, chunks, b"")
        while chunk := coming.result():
            coming = worker.submit(next, chunks, b"")
            yield chunk


def _plain(name: str, hashed: "_Hashed", notes: list[str]) -> Iterator[bytes]:
    """Return a file's plain bytes."""
    try:
        yield from plain_chunks(name, io.BufferedReader(hashed, CHUNK_BYTES), notes)
    except OSError as error:
        raise UnreadableLogError(f"{name} cannot be read: {error}", "Restore the file or take it out") from error


class _Hashed(io.RawIOBase):
    """Bytes on their way: how many they are, and their SHA-256."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base says any buffer
        chunk = self._raw.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._digest.update(chunk)
        self.size += len(chunk)
        return len(chunk)


class _LineWriter:
    """Write lines, count them, and cut those that are too long.

    No line is longer than MAX_LINE_BYTES that both begins and ends in one chunk, as no chunk is.
    """

    def __init__(self, to: BinaryIO) -> None:
        self._to = to
        self._open = 0
        self._ended = 0
        self.cut: list[int] = []

    @property
    def lines(self) -> int:
        """The number of lines so far; the last need not have an end."""
        return self._ended + (self._open > 0)

    def write_whole(self, chunk: bytes) -> None:
        """Write a chunk of a file that has no lines."""
        self._to.write(chunk)

    def write(self, chunk: bytes) -> None:
        """Write the next chunk of a file."""
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
        """Leave the beginning of the line that is open, and note its number."""
        kept = min(self._open, CUT_LINE_BYTES)
        self._to.seek(kept - self._open, io.SEEK_CUR)
        self._to.truncate()
        self._to.write(memoryview(chunk)[: CUT_LINE_BYTES - kept])
        self.cut.append(self._ended + 1)
