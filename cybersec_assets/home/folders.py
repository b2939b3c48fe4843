"""Folders below `CYBERSEC_HOME` that belong to this project, each claimed by a marker file.

The home may be a folder that holds other files as well. Nothing is deleted or overwritten in a folder without the
marker. Earlier releases wrote no marker: their folders are recognized by their content, and are marked then.
"""

import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from cybersec_assets.errors import SettingsError, quoted

MARKER = ".cybersec-assets"
MARKER_TEXT = "This folder belongs to cybersec-assets, which may change and delete what is in it.\n"
OTHER_HOME = "Set CYBERSEC_HOME to another folder"
MOST_NAMES = 3
HALF_MARKED = re.compile(re.escape(MARKER) + r"\.[0-9a-f]{16}")
"""The name of a marker while it is being written."""


def is_marked(folder: Path) -> bool:
    """Return whether a folder has a valid marker; symbolic links and markers with other content are not valid."""
    marker = folder / MARKER
    try:
        found = marker.lstat()
        return (
            stat.S_ISDIR(folder.lstat().st_mode)
            and stat.S_ISREG(found.st_mode)
            and found.st_size == len(MARKER_TEXT)
            and marker.read_text(errors="replace") == MARKER_TEXT
        )
    except OSError:
        return False


def is_free(path: Path) -> bool:
    """Return whether a path is missing or an empty folder."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode) and not any(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def claim(folder: Path, is_earlier: Callable[[Path], bool], remedy: str = OTHER_HOME) -> Path:
    """Return a folder of the home, creating and marking it where it is missing.

    Args:
        folder: The folder; missing parents are created as well.
        is_earlier: Whether a folder without a marker has the content that an earlier release left.
        remedy: What the user can do about a folder that is rejected.

    Raises:
        SettingsError: The folder holds files that cybersec-assets did not make.
    """
    require_own(folder, is_earlier, remedy)
    if not os.path.lexists(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_marked(folder)
    elif not is_marked(folder):
        # An empty folder may be a mount point, which no rename can replace.
        mark(folder)
    return folder


def require_own(folder: Path, is_earlier: Callable[[Path], bool], remedy: str = OTHER_HOME) -> None:
    """Require that `claim` would accept a folder, without creating anything.

    Raises:
        SettingsError: The folder holds files that cybersec-assets did not make.
    """
    if is_free(folder) or is_marked(folder):
        return
    is_folder = folder.is_dir() and not folder.is_symlink()
    # Another process may be marking an empty folder now, or was killed while it did.
    if not is_folder or not (holds_only(folder, HALF_MARKED) or is_earlier(folder)):
        raise SettingsError(foreign(folder), remedy)


def is_regular(path: Path) -> bool:
    """Return whether a path is a regular file and not a symbolic link."""
    return path.is_file() and not path.is_symlink()


def holds_only(folder: Path, known: re.Pattern[str]) -> bool:
    """Return whether every entry of a folder is a regular file with a known name."""
    with os.scandir(folder) as entries:
        return all(known.fullmatch(entry.name) and entry.is_file(follow_symlinks=False) for entry in entries)


def make_marked(folder: Path, mode: int = 0o755) -> None:
    """Create a folder together with its marker, so that a killed process leaves no folder without one.

    Raises:
        SettingsError: Another program created something there meanwhile.
    """
    aside = Path(tempfile.mkdtemp(prefix=f"{MARKER}-", dir=folder.parent))
    try:
        mark(aside)
        aside.chmod(mode)
        # A rename replaces an empty folder and nothing else.
        aside.rename(folder)
    except OSError as error:
        (aside / MARKER).unlink(missing_ok=True)
        aside.rmdir()
        if not is_marked(folder):
            raise SettingsError(f"{folder} cannot be created: {error.strerror}", OTHER_HOME) from error


def mark(folder: Path, uid: int = -1) -> None:
    """Write the marker into a folder atomically.

    Args:
        folder: The folder.
        uid: The user who owns the marker; the caller by default.

    Raises:
        SettingsError: Another file has the marker's name.
    """
    aside = folder / f"{MARKER}.{secrets.token_hex(8)}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(MARKER_TEXT)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchown(stream.fileno(), uid, -1)
        (folder / MARKER).hardlink_to(aside)
    except FileExistsError:
        if not is_marked(folder):
            raise SettingsError(foreign(folder), OTHER_HOME) from None
    finally:
        aside.unlink()


def foreign(path: Path) -> str:
    """Return a sentence that describes a path which this project did not make."""
    if path.is_symlink():
        return f"{path} is a symbolic link, which is not followed; nothing was changed"
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except NotADirectoryError:
        return f"{path} is a file that cybersec-assets did not make; nothing was changed"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}); nothing was changed"
    shown = ", ".join(quoted(name) for name in names[:MOST_NAMES])
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{path} holds files that cybersec-assets did not make ({shown}{more}); nothing was changed"
