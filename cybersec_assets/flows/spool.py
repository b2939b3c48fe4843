"""A log file brought into the run's own folder: decompressed, hashed, measured, in one pass and in bounded memory.

    SourceFile → its bytes, hashed → decompressed → lines measured → LogFile

The copy is what gets parsed, so that the audit's SHA-256 is that of the very bytes that became flows, and a file that
its writer cuts off meanwhile cannot take the process with it, as one that is mapped into memory would.
"""

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cybersec_assets.artifact import Fingerprint
from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.compression import CHUNK_BYTES, plain_chunks
from cybersec_assets.flows.files import STILL_WRITTEN, SourceFile
from cybersec_assets.flows.logfile import LogFile, is_text

MAX_LINE_BYTES = 1 << 20
"""No flow takes a longer line, and whatever reads lines holds many of them at once."""
MAX_RATIO = 250
"""How many times its size a compressed file may become, whatever its compression.

Real logs reach 14 with gzip and 22 with xz, bzip2 and zstd; bombs 1,000 with gzip and 5,000 or more with the others.
Only a flood whose records are all alike comes close to a bomb: whoever has one decompresses it first.
"""
RATIO_FROM_BYTES = 64 << 20
"""From which size on the ratio counts."""


def spool(source: SourceFile, copy: Path) -> LogFile:
    """Make the run's own copy of a log file.

    Args:
        source: The file.
        copy: Where the copy goes; nothing is there yet.

    Raises:
        UnreadableLogError: It is empty, damaged, a bomb, has a line over 1 MiB, or changed while it was read.
    """
    with source.open() as raw, copy.open("xb") as to:
        hashed = _Hashed(raw)
        notes = list[str]()
        written, lines = _write(source.name, hashed, to, notes)
    if hashed.size != source.size:
        raise UnreadableLogError(f"{source.name} changed while it was read", STILL_WRITTEN)
    if not written:
        raise UnreadableLogError(f"{source.name} is empty", "Restore the file or take it out of FLOWS_URI")
    found = Fingerprint(hashed.size, hashed.sha256)
    return LogFile(source.name, copy, source.modified, found, notes=tuple(notes), lines=lines)


def _write(name: str, hashed: "_Hashed", to: BinaryIO, notes: list[str]) -> tuple[int, int | None]:
    """Write a file's plain bytes, and return how many bytes and lines they are; None for a file without lines."""
    ruler = _Ruler()
    written = 0
    has_lines = False
    for chunk in _ahead(_plain(name, hashed, notes)):
        has_lines = is_text(chunk) if written == 0 else has_lines
        if has_lines and not ruler.fits(chunk):
            to.flush()
            raise _too_long(name, Path(to.name))
        written += to.write(chunk)
        if written > max(RATIO_FROM_BYTES, MAX_RATIO * hashed.size):
            raise UnreadableLogError(
                f"{name} becomes over {MAX_RATIO} times its size when it is decompressed",
                "Take it out; if it is a log, decompress it first",
            )
    return written, ruler.lines if has_lines else None


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


class _Ruler:
    """No line is longer than allowed, however the chunks cut them; no chunk is longer than a line may be."""

    def __init__(self) -> None:
        self._open = 0
        self._ended = 0

    @property
    def lines(self) -> int:
        """The number of lines so far; the last need not have an end."""
        return self._ended + (self._open > 0)

    def fits(self, chunk: bytes) -> bool:
        first = chunk.find(b"\n")
        longest = self._open + (len(chunk) if first < 0 else first)
        self._open = longest if first < 0 else len(chunk) - chunk.rfind(b"\n") - 1
        self._ended += 0 if first < 0 else int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == ord("\n")))
        return longest <= MAX_LINE_BYTES


def _too_long(name: str, before: Path) -> UnreadableLogError:
    """Say which line is too long, by what was written before it: counting lines always would slow every log down."""
    with before.open("rb") as copy:
        ended = sum(chunk.count(b"\n") for chunk in iter(lambda: copy.read(CHUNK_BYTES), b""))
    return UnreadableLogError(
        f"{name} line {ended + 1} is longer than {MAX_LINE_BYTES:,} bytes", "Take it out: it is no log"
    )
