"""The identity of an artifact, shared by the stores and the audit: its URI, size and SHA-256."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fingerprint:
    """The size in bytes and the SHA-256 in hexadecimal of an artifact."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Artifact:
    """An object that was stored and verified.

    Attributes:
        uri: `s3://<bucket>/<name>`, also for a folder store.
        fingerprint: Its size and hash.
    """

    uri: str
    fingerprint: Fingerprint

    @property
    def name(self) -> str:
        """Return the name of the object without its bucket."""
        return self.uri.rpartition("/")[2]


def fingerprint_of(file: Path) -> Fingerprint:
    """Return the size and SHA-256 of a file."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Fingerprint(stream.tell(), digest)


def fingerprint_of_chunks(chunks: Iterable[bytes]) -> Fingerprint:
    """Return the size and SHA-256 of bytes that arrive in chunks."""
    digest = hashlib.sha256()
    size = 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return Fingerprint(size, digest.hexdigest())
