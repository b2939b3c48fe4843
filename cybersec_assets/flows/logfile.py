"""One log file as it lies on the disk: its path, and the first bytes of its text."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

from cybersec_assets.errors import UnreadableLogError

HEAD_BYTES = 64 * 1024
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class LogFile:
    """A file and its beginning.

    Attributes:
        path: Where it lies.
        head: The first 64 KiB of its content, decompressed where it is gzip.
    """

    path: Path
    head: bytes

    @property
    def first_lines(self) -> list[str]:
        """The lines of the head, without their ends; the last may be cut."""
        # Not `splitlines`, to which separators such as \x1e are ends too.
        return [line.removesuffix("\r") for line in self.head.decode("utf-8", "replace").removesuffix("\n").split("\n")]


def is_gzip(path: Path) -> bool:
    """Tell by the content, never by the name."""
    with path.open("rb") as file:
        return file.read(2) == GZIP_MAGIC


def open_log(path: Path) -> LogFile:
    """Read a file's head.

    Raises:
        UnreadableLogError: It is not a regular file, is empty, or cannot be opened or decompressed.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UnreadableLogError(f"{path} has a name that is not UTF-8", "Rename the file") from None
    if not path.is_file():
        raise UnreadableLogError(f"{path} is not a regular file", "Narrow FLOWS_URI to the log files")
    try:
        head = _read_head(path)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableLogError(f"{path} cannot be read: {error}", "Restore the file or take it out") from error
    if not head:
        raise UnreadableLogError(f"{path} is empty", "Restore the file or take it out of FLOWS_URI")
    return LogFile(path, head)


def check_gzip(path: Path) -> None:
    """Decompress a whole gzip file to nowhere, in bounded memory.

    Raises:
        UnreadableLogError: It is cut off or damaged.
    """
    try:
        with gzip.open(path) as stream:
            while stream.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableLogError(
            f"{path} is a damaged gzip file: {error}", "Fetch the file again, or wait until the sensor has closed it"
        ) from error


def _read_head(path: Path) -> bytes:
    with gzip.open(path) if is_gzip(path) else path.open("rb") as stream:
        return stream.read(HEAD_BYTES)
