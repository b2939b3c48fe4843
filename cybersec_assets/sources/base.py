"""Define what all sources of log files share: the file, and the syntax of patterns."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from wcmatch import glob

from cybersec_assets.errors import UnreadableLogError

PATTERN_FLAGS = glob.GLOBSTAR
"""`*` matches within a folder, `**` matches folders at any depth."""


@dataclass(frozen=True)
class SourceFile:
    """A log file.

    Attributes:
        name: Its path or URL, as messages and the audit show it.
        size: Its size in bytes when it was found.
        modified: The time of its last change, in UTC.
        open: Opens its bytes. Leaving the context raises UnreadableLogError if the file has changed.
    """

    name: str
    size: int
    modified: dt.datetime
    open: Callable[[], AbstractContextManager[BinaryIO]]


def changed(name: str) -> UnreadableLogError:
    """Return the error for a file that changed while it was read."""
    return UnreadableLogError(
        f"{name} changed while it was read", "Wait until its writer has closed it, then run the day again"
    )
