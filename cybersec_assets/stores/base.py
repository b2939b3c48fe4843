"""The protocol of an object store, and how an artifact is stored.

    file → SHA-256 → new name → create only if the name is free → read back → Artifact

A stored object never changes. Which object to read is recorded in the audit: the latest one is never searched for.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cybersec_assets.artifact import Artifact, Fingerprint, fingerprint_of
from cybersec_assets.errors import ObjectChangedError, StoreError, quoted
from cybersec_assets.failpoints import Point, hit

CHECKS = "checks/"
"""The prefix of objects that only test a store. No artifact has such a name."""
MAX_NAMES = 120
"""How many names, one per second, are tried until one is free."""
CHUNK_BYTES = 1024**2
"""How much of an object is read at once."""


@dataclass(frozen=True)
class Kind:
    """A kind of artifact: `<prefix>-<bucket>/<stem>_<time><suffix>`."""

    bucket: str
    stem: str
    suffix: str

    def name(self, moment: dt.datetime) -> str:
        """Return the name of an object that is written at `moment`, in UTC."""
        return f"{self.stem}_{moment:%Y%m%d_%H%M%S}{self.suffix}"

    def is_name(self, name: str) -> bool:
        """Return whether `name` is of this kind, or of a temporary file that a killed writer left in a folder store."""
        named = rf"{re.escape(self.stem)}_\d{{8}}_\d{{6}}{re.escape(self.suffix)}"
        return re.fullmatch(rf"{named}|\.{named}\.[0-9a-f]{{32}}", name, re.ASCII) is not None


@dataclass(frozen=True)
class StoredObject:
    """An object in a listing.

    Attributes:
        name: Its name in the bucket.
        modified: When it was written, in UTC.
    """

    name: str
    modified: dt.datetime


class ObjectStore(Protocol):
    """Buckets of immutable objects. Every method raises StoreError if the store refuses or cannot be reached."""

    def create(self, bucket: str, name: str, file: Path, fingerprint: Fingerprint) -> bool:
        """Store a file and return True, or return False if the name is taken. Create the bucket if it is missing."""
        ...

    def fingerprint(self, bucket: str, name: str) -> Fingerprint:
        """Return the size and hash of an object, computed from its bytes by the store or by reading them."""
        ...

    def fetch(self, bucket: str, name: str, to: Path) -> None:
        """Copy an object into a file."""
        ...

    def chunks(self, bucket: str, name: str) -> Iterator[bytes]:
        """Yield an object's bytes."""
        ...

    def entries(
        self, bucket: str, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[StoredObject]:
        """Yield a bucket's objects in the order of their names. A missing bucket has none.

        Args:
            bucket: The bucket.
            prefix: Only names with this prefix.
            after: Only names after this one.
            limit: The maximum number of objects. Default: all.
        """
        ...

    def delete(self, bucket: str, name: str) -> None:
        """Delete an object."""
        ...


def utc_now() -> dt.datetime:
    """Return the current time in UTC."""
    return dt.datetime.now(dt.UTC)


def store_file(
    store: ObjectStore, prefix: str, kind: Kind, file: Path, *, moment: dt.datetime | None = None
) -> Artifact:
    """Store a file as an artifact.

    Args:
        store: The store.
        prefix: The prefix of every bucket's name.
        kind: The kind of artifact.
        file: The file.
        moment: The time of writing. Default: now. If its name is taken, the next free second is used.

    Raises:
        StoreError: The store refuses, or no second of the next two minutes is free.
        ObjectChangedError: The bytes that were read back are not those that were written.
    """
    fingerprint = fingerprint_of(file)
    bucket = f"{prefix}-{kind.bucket}"
    begin = moment or utc_now()
    hit(Point.UPLOAD_BEGUN)
    for second in range(MAX_NAMES):
        name = kind.name(begin + dt.timedelta(seconds=second))
        if store.create(bucket, name, file, fingerprint):
            hit(Point.UPLOAD_COMPLETED)
            return _read_back(store, bucket, name, fingerprint)
    raise StoreError(
        f"{bucket} has no free name for {kind.name(begin)} or the {MAX_NAMES} seconds after it",
        "Check who else writes to it",
    )


def fetch_object(store: ObjectStore, artifact: Artifact, to: Path) -> None:
    """Copy an object into a file, and check its size and hash.

    Raises:
        ObjectMissingError: The object is missing.
        ObjectChangedError: Its size or hash differs. The file is deleted.
    """
    bucket, name = split_uri(artifact.uri)
    store.fetch(bucket, name, to)
    hit(Point.INPUT_FETCHED)
    found = fingerprint_of(to)
    if found != artifact.fingerprint:
        to.unlink()
        raise changed(artifact, found)


def changed(artifact: Artifact, found: Fingerprint) -> ObjectChangedError:
    """Return the error for an object whose bytes are not those that the audit recorded."""
    return ObjectChangedError(
        f"{artifact.uri} is {found.size} bytes with SHA-256 {found.sha256}, but the audit recorded "
        f"{artifact.fingerprint.size} bytes with {artifact.fingerprint.sha256}",
        "Find out who changed it, then materialize its partition again",
    )


def split_uri(uri: str) -> tuple[str, str]:
    """Return an object's bucket and name.

    Raises:
        StoreError: The URI is not valid, or would be a path outside of the store's folder.
    """
    match = re.fullmatch(r"s3://([^/]+)/(.+)", uri)
    if match is None or any(part in {"", ".", ".."} for part in uri.removeprefix("s3://").split("/")):
        raise StoreError(f"{quoted(uri)} is not the URI of an object", "Use s3://bucket/name")
    return match[1], match[2]


def _read_back(store: ObjectStore, bucket: str, name: str, fingerprint: Fingerprint) -> Artifact:
    artifact = Artifact(f"s3://{bucket}/{name}", fingerprint)
    found = store.fingerprint(bucket, name)
    if found != fingerprint:
        raise changed(artifact, found)
    hit(Point.READ_BACK)
    return artifact
