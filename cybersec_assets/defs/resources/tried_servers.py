"""Remember for a day in CYBERSEC_HOME which S3 servers were found to keep their conditions.

A pod with a new home remembers nothing and tries its server again, which takes eight small requests.
"""

import time
from collections.abc import Callable
from pathlib import Path

from cybersec_assets.home.audit_folder import read_times, write_times

FILE = "audit/tried-servers.json"
SECONDS = 86_400
"""How long a server is not tried again. Another one may replace it under the same name."""


class TriedServers:
    """A set of places on servers that forgets each after a day.

    Args:
        home: CYBERSEC_HOME.
        now: Returns the time, in seconds since 1970.
    """

    def __init__(self, home: Path, now: Callable[[], float] = time.time) -> None:
        self._file = home / FILE
        self._now = now

    def __contains__(self, place: str) -> bool:
        """Return whether a place was tried less than a day ago."""
        return place in self._read()

    def add(self, place: str) -> None:
        """Remember a place if the home can be written to and its folder holds no foreign files."""
        write_times(self._file, self._read() | {place: self._now()})

    def _read(self) -> dict[str, float]:
        now = self._now()
        return {place: then for place, then in read_times(self._file).items() if 0 <= now - then < SECONDS}
