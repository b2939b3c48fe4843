"""A day's log files where their owner keeps them: how they are found on this machine, and how their bytes are had.

Files elsewhere (`s3://`) are found by `resources`, which gives the same `SourceFile`. What belongs elsewhere: what is
in a file (`stage`, `readers`).
"""

import datetime as dt
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from wcmatch import glob

from cybersec_assets.errors import SettingsError, UnreadableLogError

PATTERNS = glob.GLOBSTAR
"""How patterns are read: `*` stays within a folder, `**` goes through folders at any depth."""
ANY_DEPTH = "**"
STILL_WRITTEN = "Wait until its writer has closed it, then run the day again"


@dataclass(frozen=True)
class SourceFile:
    """A file of logs.

    Attributes:
        name: Its path or URL, as people and the audit call it.
        size: In bytes, when it was found.
        modified: When it was written last, UTC.
        open: Gives its bytes; leaving the context raises UnreadableLogError where they changed meanwhile.
    """

    name: str
    size: int
    modified: dt.datetime
    open: Callable[[], AbstractContextManager[BinaryIO]]


def local_files(pattern: str) -> list[SourceFile]:
    """Find the files of this machine that match a pattern, by name.

    Args:
        pattern: A path with `*`, `?`, `[…]`, and `**` for folders at any depth, which follows no links.

    Raises:
        SettingsError: It is a URL.
        UnreadableLogError: One of them is no regular file, or a folder on the way to them cannot be read.
    """
    if "://" in pattern:
        raise SettingsError(f"FLOWS_URI={pattern}: only local paths and s3:// are read", "Mount or copy the logs")
    found = [_local_file(str(path)) for path in sorted(_matches(Path(pattern)))]
    files = dict[str, SourceFile]()
    for file in found:
        # A log and a link to it, such as the one to the current hour, are one file.
        files.setdefault(os.path.realpath(file.name), file)
    return list(files.values())


def _matches(pattern: Path) -> Iterator[Path]:
    """Give what matches; unlike `glob`, without passing over what cannot be looked at."""
    fixed = list(takewhile(lambda part: not glob.is_magic(part, flags=PATTERNS), pattern.parts))
    if len(fixed) == len(pattern.parts):
        yield from [pattern] if pattern.parts and os.path.lexists(pattern) else []
        return
    for folder, folders, names in os.walk(Path(*fixed), onerror=_refuse, followlinks=True):
        paths = [Path(folder) / name for name in folders + names]
        yield from (path for path in paths if glob.globmatch(path, str(pattern), flags=PATTERNS))
        folders[:] = [name for name in folders if _may_lead_to(Path(folder) / name, pattern)]


def _may_lead_to(folder: Path, pattern: Path) -> bool:
    """Tell whether a match can lie below a folder; a loop of links ends, as `**` follows none."""
    begin = pattern.parts[: len(folder.parts)]
    if ANY_DEPTH in begin:
        return not folder.is_symlink() and not folder.name.startswith(".")
    return len(begin) < len(pattern.parts) and glob.globmatch(folder, str(Path(*begin)), flags=PATTERNS)


def _refuse(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        with _unreadable(_told(error.filename)):
            raise error


def _told(path: str) -> str:
    """Write a path as a database can hold it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _local_file(path: str) -> SourceFile:
    name = _told(path)
    with _unreadable(name):
        found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableLogError(f"{name} is not a regular file", "Narrow FLOWS_URI to the log files")
    size, modified = _state(found)
    return SourceFile(name, size, modified, partial(_opened, path, name, (size, modified)))


@contextmanager
def _opened(path: str, name: str, state: tuple[int, dt.datetime]) -> Iterator[BinaryIO]:
    with ExitStack() as stack:
        # Around this alone: an error of whoever takes the bytes, as of a full disk, is not the file's.
        with _unreadable(name):
            stream = stack.enter_context(Path(path).open("rb"))
        yield stream
        if _state(os.fstat(stream.fileno())) != state:
            raise UnreadableLogError(f"{name} changed while it was read", STILL_WRITTEN)


@contextmanager
def _unreadable(name: str) -> Iterator[None]:
    """Name the file that the system does not let us read."""
    try:
        yield
    except OSError as error:
        raise UnreadableLogError(
            f"{name} cannot be read: {error.strerror}", "Restore the file or take it out"
        ) from None


def _state(found: os.stat_result) -> tuple[int, dt.datetime]:
    return found.st_size, dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
