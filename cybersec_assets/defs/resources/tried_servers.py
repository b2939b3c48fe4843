"""The S3 servers whose conditional writes were checked, remembered in CYBERSEC_HOME for a day.

A pod with a new home checks its server again, which takes eight small requests.
"""

import time
from collections.abc import Callable
from pathlib import Path

from cybersec_assets.home.audit_folder import read_times, write_times

FILE = "audit/tried-servers.json"
SECONDS = 86_400
"""How long a server is not checked again. Another server may get the same name."""


class TriedServers:
    """A set of buckets on servers, each of which expires after a day.

    Args:
        home: CYBERSEC_HOME.
        now: Returns the time, in seconds since 1970.
    """

    def __init__(self, home: Path, now: Callable[[], float] = time.time) -> None:
        self._file = home / FILE
        self._now = now

    def __contains__(self, place: str) -> bool:
        """Return whether a bucket was checked less than a day ago."""
        return place in self._read()

    def add(self, place: str) -> None:
        """Remember a bucket. Nothing is written if the home is read-only or belongs to another program."""
        write_times(self._file, self._read() | {place: self._now()})

    def _read(self) -> dict[str, float]:
        now = self._now()
        return {place: then for place, then in read_times(self._file).items() if 0 <= now - then < SECONDS}
