"""An artifact's identity: where it is kept and which bytes it has. Store and audit both speak of it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fingerprint:
    """What an artifact's bytes must be: their number, and their SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Artifact:
    """An object that was stored and read back.

    Attributes:
        uri: `s3://<bucket>/<name>`, also for a store of folders.
        fingerprint: Its size and hash.
    """

    uri: str
    fingerprint: Fingerprint

    @property
    def name(self) -> str:
        """The object's name, without its bucket."""
        return self.uri.rpartition("/")[2]


def fingerprint_of(file: Path) -> Fingerprint:
    """Read a file to its end and give its size and SHA-256."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Fingerprint(stream.tell(), digest)
