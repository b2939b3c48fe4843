"""Find log files on this machine and open them."""

import datetime as dt
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from wcmatch import glob

from cybersec_assets.errors import SettingsError, UnreadableLogError
from cybersec_assets.sources.base import PATTERN_FLAGS, SourceFile, changed

ANY_DEPTH = "**"


def local_files(pattern: str) -> list[SourceFile]:
    """Return the files that match a pattern, sorted by name.

    Args:
        pattern: A path with `*`, `?`, `[…]`, and `**` for folders at any depth, which does not follow links.

    Raises:
        SettingsError: The pattern is a URL.
        UnreadableLogError: A match is not a regular file, or a folder on the way cannot be read.
    """
    if "://" in pattern:
        raise SettingsError(f"FLOWS_URI={pattern}: only local paths and s3:// are supported", "Mount or copy the logs")
    found = [_local_file(str(path)) for path in sorted(_matches(Path(pattern)))]
    files = dict[str, SourceFile]()
    for file in found:
        # A log and a link to it, such as a link to the current hour, are one file.
        files.setdefault(os.path.realpath(file.name), file)
    return list(files.values())


def _matches(pattern: Path) -> Iterator[Path]:
    """Yield the matching paths. Unlike `glob`, report folders that cannot be read."""
    fixed = list(takewhile(lambda part: not glob.is_magic(part, flags=PATTERN_FLAGS), pattern.parts))
    if len(fixed) == len(pattern.parts):
        if pattern.parts and os.path.lexists(pattern):
            yield pattern
        return
    for folder, folders, names in os.walk(Path(*fixed), onerror=_raise_unreadable, followlinks=True):
        paths = [Path(folder) / name for name in folders + names]
        yield from (path for path in paths if glob.globmatch(path, str(pattern), flags=PATTERN_FLAGS))
        folders[:] = [name for name in folders if _may_contain_match(Path(folder) / name, pattern)]


def _may_contain_match(folder: Path, pattern: Path) -> bool:
    """Return whether a folder may contain a match. `**` does not follow links, so that loops of links end."""
    begin = pattern.parts[: len(folder.parts)]
    if ANY_DEPTH in begin:
        return not folder.is_symlink() and not folder.name.startswith(".")
    return len(begin) < len(pattern.parts) and glob.globmatch(folder, str(Path(*begin)), flags=PATTERN_FLAGS)


def _raise_unreadable(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        with _translate_errors(_printable(error.filename)):
            raise error


def _printable(path: str) -> str:
    """Return a path as text that a database can store."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _local_file(path: str) -> SourceFile:
    name = _printable(path)
    with _translate_errors(name):
        found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableLogError(f"{name} is not a regular file", "Narrow FLOWS_URI to the log files")
    size, modified = _state(found)
    return SourceFile(name, size, modified, partial(_opened, path, name, (size, modified)))


@contextmanager
def _opened(path: str, name: str, state: tuple[int, dt.datetime]) -> Iterator[BinaryIO]:
    with ExitStack() as stack:
        # Only errors of opening are the file's. An error in the caller's block, such as a full disk, is not.
        with _translate_errors(name):
            stream = stack.enter_context(Path(path).open("rb"))
        yield stream
        if _state(os.fstat(stream.fileno())) != state:
            raise changed(name)


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    """Raise UnreadableLogError with the file's name in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise UnreadableLogError(f"{name} cannot be read: {error.strerror}", "Restore the file or remove it") from None


def _state(found: os.stat_result) -> tuple[int, dt.datetime]:
    return found.st_size, dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
