"""The S3 servers whose conditional writes were checked, remembered in CYBERSEC_HOME for a day.

A pod with a new home checks its server again, which takes eight small requests.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cybersec_assets.errors import SettingsError
from cybersec_assets.home.audit_folder import claim_audit_folder

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
        self._home = home
        self._file = home / FILE
        self._now = now

    def __contains__(self, place: str) -> bool:
        """Return whether a bucket was checked less than a day ago."""
        return place in self._read()

    def add(self, place: str) -> None:
        """Remember a bucket. Nothing is written if the home is read-only or belongs to another program."""
        with suppress(OSError, SettingsError):
            claim_audit_folder(self._home)
            aside = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            aside.write_text(json.dumps(self._read() | {place: self._now()}))
            aside.replace(self._file)

    def _read(self) -> dict[str, float]:
        try:
            known = json.loads(self._file.read_text())
            ages = {str(place): self._now() - float(then) for place, then in known.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}
        return {place: self._now() - age for place, age in ages.items() if 0 <= age < SECONDS}
