"""A log file brought into the run's own folder: decompressed, hashed, measured, in one pass and in bounded memory.

    SourceFile → its bytes, hashed → gzip or zstd undone → lines measured → LogFile

The copy is what gets parsed, so that the audit's SHA-256 is that of the very bytes that became flows, and a file that
its writer cuts off meanwhile cannot take the process with it, as one that is mapped into memory would.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from backports import zstd
from isal import igzip, isal_zlib

from cybersec_assets.artifact import Fingerprint
from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.files import STILL_WRITTEN, SourceFile
from cybersec_assets.flows.logfile import LogFile, is_text

CHUNK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 20
"""No flow takes a longer line, and whatever reads lines holds many of them at once."""
MAX_RATIO = 250
"""How many times its size a compressed file may become: logs reach some 30, a bomb over a thousand."""
RATIO_FROM_BYTES = 64 << 20
"""From which size on the ratio counts."""
Unpack = Callable[[BinaryIO], AbstractContextManager[Any]]
PACKED: dict[bytes, tuple[str, Unpack]] = {
    b"\x1f\x8b": ("gzip", lambda stream: igzip.IGzipFile(fileobj=stream)),
    b"\x28\xb5\x2f\xfd": ("zstd", zstd.ZstdFile),
}
"""The kinds of compression, by the bytes that such a file begins with."""


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
        written = _write(source.name, hashed, to)
    if hashed.size != source.size:
        raise UnreadableLogError(f"{source.name} changed while it was read", STILL_WRITTEN)
    if not written:
        raise UnreadableLogError(f"{source.name} is empty", "Restore the file or take it out of FLOWS_URI")
    return LogFile(source.name, copy, source.modified, Fingerprint(hashed.size, hashed.sha256))


def _write(name: str, hashed: "_Hashed", to: BinaryIO) -> int:
    """Write a file's plain bytes, and tell how many they are."""
    ruler, written, has_lines = _Ruler(), 0, False
    for chunk in _ahead(_plain(name, hashed)):
        has_lines = is_text(chunk) if written == 0 else has_lines
        if has_lines and not ruler.fits(chunk):
            to.flush()
            raise _too_long(name, Path(to.name))
        written += to.write(chunk)
        if written > max(RATIO_FROM_BYTES, MAX_RATIO * hashed.size):
            raise UnreadableLogError(
                f"{name} becomes over {MAX_RATIO} times its size when it is decompressed", "Take it out: it is no log"
            )
    return written


def _ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Fetch each chunk while the one before is used: hashing and decompressing leave Python's lock to others."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, chunks, b"")
        while chunk := coming.result():
            coming = worker.submit(next, chunks, b"")
            yield chunk


def _plain(name: str, hashed: "_Hashed") -> Iterator[bytes]:
    """Give a file's bytes, decompressed where they are compressed: that is told by the content, never by the name."""
    stream = io.BufferedReader(hashed, CHUNK_BYTES)
    begin = stream.peek(4)
    kind, unpack = next((how for magic, how in PACKED.items() if begin.startswith(magic)), ("plain", nullcontext))
    try:
        with unpack(stream) as plain:
            while chunk := plain.read(CHUNK_BYTES):
                yield chunk
    except (EOFError, igzip.BadGzipFile, isal_zlib.error, zstd.ZstdError) as error:
        raise UnreadableLogError(
            f"{name} is a damaged {kind} file: {error}", "Fetch the file again, or wait until the sensor has closed it"
        ) from error
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

    def fits(self, chunk: bytes) -> bool:
        first = chunk.find(b"\n")
        longest = self._open + (len(chunk) if first < 0 else first)
        self._open = longest if first < 0 else len(chunk) - chunk.rfind(b"\n") - 1
        return longest <= MAX_LINE_BYTES


def _too_long(name: str, before: Path) -> UnreadableLogError:
    """Say which line is too long, by what was written before it: counting lines always would slow every log down."""
    with before.open("rb") as copy:
        ended = sum(chunk.count(b"\n") for chunk in iter(lambda: copy.read(CHUNK_BYTES), b""))
    return UnreadableLogError(
        f"{name} line {ended + 1} is longer than {MAX_LINE_BYTES:,} bytes", "Take it out: it is no log"
    )
