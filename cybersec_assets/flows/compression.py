"""Decompress a log file. Its compression is detected by its content, never by its name.

gzip, zstd, bzip2 and xz are supported, each with any number of members, frames or streams. Archives and other
compressions are rejected by name. Memory stays bounded: a block of input, a chunk of output, and the dictionary or
window.
"""

import bz2
import lzma
import re
import tarfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import BinaryIO, Protocol

from backports import zstd
from isal import igzip_lib

from cybersec_assets.errors import UnreadableLogError

BLOCK_BYTES = 1 << 16
"""The input that is read at once. What follows a member is copied, so larger blocks are slow with small members."""
CHUNK_BYTES = 1 << 20
"""The most bytes of a log file that are held in memory at once."""
MEMORY_BYTES = 128 << 20
"""The memory limit for a dictionary or window. `xz -9` needs 65 MiB, `zstd --long` 128 MiB."""
MAGIC_BYTES = 16
TAR_BYTES = 512
DAMAGED = (EOFError, OSError, ValueError, igzip_lib.error, lzma.LZMAError, zstd.ZstdError)
TOO_MUCH_MEMORY = ("Memory usage limit", "too much memory")
"""Parts of the messages with which liblzma and libzstd report that the memory limit is reached."""


class Decompressor(Protocol):
    """The common interface of the decompressors of `bz2`, `lzma`, `isal` and `zstd`."""

    @property
    def eof(self) -> bool: ...  # noqa: D102 - as in the standard library
    @property
    def needs_input(self) -> bool: ...  # noqa: D102 - as in the standard library
    @property
    def unused_data(self) -> bytes: ...  # noqa: D102 - as in the standard library

    def decompress(self, data: bytes, max_length: int) -> bytes: ...  # noqa: D102 - as in the standard library


@dataclass(frozen=True)
class Compression:
    """A supported compression.

    Attributes:
        name: Its name.
        magic: A pattern for the first bytes of such a file.
        new: Returns a decompressor for one member, frame or stream.
        padding: Zeros may follow a member in multiples of this number; with 0, none may.
        ignores_tail: Whether other bytes after the last member are ignored, as the compression's own tool does.
    """

    name: str
    magic: re.Pattern[bytes]
    new: Callable[[], Decompressor]
    padding: int
    ignores_tail: bool


COMPRESSIONS = [
    Compression(
        "gzip",
        re.compile(rb"\x1f\x8b"),
        partial(igzip_lib.IgzipDecompressor, flag=igzip_lib.DECOMP_GZIP),
        padding=1,
        ignores_tail=True,
    ),
    Compression("bzip2", re.compile(rb"BZh[1-9]"), bz2.BZ2Decompressor, padding=1, ignores_tail=True),
    Compression(
        "xz",
        re.compile(rb"\xfd7zX"),
        partial(lzma.LZMADecompressor, format=lzma.FORMAT_XZ, memlimit=MEMORY_BYTES),
        padding=4,
        ignores_tail=False,
    ),
    Compression(
        "zstd",
        # A file may begin with a skippable frame, of which there are 16 kinds; pzstd writes one before each frame.
        re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
        partial(
            zstd.ZstdDecompressor,
            options={zstd.DecompressionParameter.window_log_max: MEMORY_BYTES.bit_length() - 1},
        ),
        padding=0,
        ignores_tail=False,
    ),
]
REFUSED = {
    "a zip archive": re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"),
    "a 7z archive": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "a rar archive": re.compile(rb"Rar!\x1a\x07"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18"),
    "compress (.Z)": re.compile(rb"\x1f\x9d"),
    "lzma": re.compile(rb"\x5d\x00\x00"),
    "lzip": re.compile(rb"LZIP[\x00\x01]"),
    "lzop": re.compile(rb"\x89LZO\x00\r\n\x1a\n"),
    "snappy": re.compile(rb"\xff\x06\x00\x00sNaPpY"),
}
"""Unsupported formats, by the first bytes of such a file. Tar is detected by the checksum of its header."""


def plain_chunks(name: str, stream: BinaryIO, notes: list[str]) -> Iterator[bytes]:
    """Yield a file's bytes, decompressed if they are compressed, in chunks of at most 1 MiB.

    Args:
        name: The file's name, for messages.
        stream: The file. Its `read` must return fewer bytes than requested only at the end.
        notes: A line is added to this list for bytes that were ignored.

    Raises:
        UnreadableLogError: The file is damaged, needs over 128 MiB of memory to be decompressed, is an archive, or has
            an unsupported compression.
    """
    begin = stream.read(BLOCK_BYTES)
    found = _compression(begin)
    rest = iter(lambda: stream.read(CHUNK_BYTES), b"")
    chunks = _decompressed(name, found, begin, stream, notes) if found else chain([begin], rest)
    first = b""
    while len(first) < TAR_BYTES and (chunk := next(chunks, b"")):
        first += chunk
    _require_log(name, first, found)
    # The first chunk is long enough to detect a format, and no chunk is over the limit.
    yield first[:CHUNK_BYTES]
    if len(first) > CHUNK_BYTES:
        yield first[CHUNK_BYTES:]
    yield from chunks


def _compression(begin: bytes) -> Compression | None:
    return next((each for each in COMPRESSIONS if each.magic.match(begin)), None)


def _require_log(name: str, begin: bytes, outer: Compression | None) -> None:
    """Reject archives, unsupported compressions, and files that are compressed twice."""
    found = next((what for what, magic in REFUSED.items() if magic.match(begin)), None)
    if found is None and _is_tar(begin):
        found = "a tar archive"
    inner = _compression(begin) if outer else None
    if found is None and inner is not None:
        found = inner.name
    if found is None:
        return
    what = found if found.startswith("a ") else f"{found} data"
    raise UnreadableLogError(
        f"{name} is {what}{f' inside {outer.name}' if outer else ''}, which is not supported",
        "Extract the logs and name them in FLOWS_URI; they may be plain, gzip, zstd, bzip2 or xz",
    )


def _is_tar(begin: bytes) -> bool:
    """Return whether a file begins with a tar header. The oldest kind has no magic number, only a checksum."""
    try:
        tarfile.TarInfo.frombuf(begin[:TAR_BYTES], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _decompressed(
    name: str, kind: Compression, begin: bytes, stream: BinaryIO, notes: list[str]
) -> Generator[bytes, None, None]:
    """Yield the decompressed bytes of all members, and check what follows the last one."""
    unread = begin
    while kind.magic.match(unread):
        unread = yield from _member(name, kind, unread, stream)
        unread, zeros = _without_zeros(unread, stream)
        if zeros and (kind.padding == 0 or zeros % kind.padding):
            raise _damaged(name, kind, f"{zeros:,} zero bytes follow its data")
        if len(unread) < MAGIC_BYTES:
            unread += stream.read(BLOCK_BYTES)
    if not kind.ignores_tail:
        if unread:
            # lz4 and zstd have the same skippable frames, so the file may be lz4.
            _require_log(name, unread, None)
            raise _damaged(name, kind, "other bytes follow its data")
        return
    ignored = zeros + len(unread) + sum(map(len, iter(lambda: stream.read(CHUNK_BYTES), b"")))
    if ignored:
        what = "bytes" if unread else "zero bytes"
        notes.append(f"{name}: {ignored:,} {what} after the end of its {kind.name} data are ignored")


def _member(name: str, kind: Compression, begin: bytes, stream: BinaryIO) -> Generator[bytes, None, bytes]:
    """Yield the decompressed bytes of one member, and return the bytes that were read beyond it."""
    member = kind.new()
    block = begin
    while True:
        try:
            chunk = member.decompress(block, CHUNK_BYTES)
        except DAMAGED as error:
            raise _decompression_error(name, kind, error) from error
        if chunk:
            yield chunk
        if member.eof:
            return member.unused_data
        block = b""
        if member.needs_input:
            block = stream.read(BLOCK_BYTES)
            if not block:
                raise _damaged(name, kind, "it is truncated")


def _without_zeros(unread: bytes, stream: BinaryIO) -> tuple[bytes, int]:
    """Skip the zeros that follow a member; return what follows them, and the number of zeros."""
    zeros = 0
    while True:
        rest = unread.lstrip(b"\0")
        zeros += len(unread) - len(rest)
        if rest:
            return rest, zeros
        unread = stream.read(BLOCK_BYTES)
        if not unread:
            return b"", zeros


def _decompression_error(name: str, kind: Compression, error: Exception) -> UnreadableLogError:
    if any(words in str(error) for words in TOO_MUCH_MEMORY):
        return UnreadableLogError(
            f"{name} needs over {MEMORY_BYTES >> 20} MiB of memory to be decompressed",
            f"Decompress it, or compress it with a smaller {'window' if kind.name == 'zstd' else 'dictionary'}",
        )
    return _damaged(name, kind, str(error) or "its data is invalid")


def _damaged(name: str, kind: Compression, why: str) -> UnreadableLogError:
    return UnreadableLogError(
        f"{name} is a damaged {kind.name} file: {why}", "Fetch the file again, or wait until the sensor has closed it"
    )
