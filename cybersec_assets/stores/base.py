"""What an object store does, and how an artifact gets its place in one.

    file → SHA-256 → a fresh name → created only if the name is free → read back → Artifact

An object, once written, never changes. Nobody looks for the latest one: the audit says which to read.
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
"""What the names of objects begin with that only try a store out; no artifact has such a name."""
MAX_NAMES = 120
"""How many seconds ahead a free name is looked for."""


@dataclass(frozen=True)
class Kind:
    """A kind of artifact: `<prefix>-<bucket>/<stem>_<time><suffix>`."""

    bucket: str
    stem: str
    suffix: str

    def name(self, moment: dt.datetime) -> str:
        """Give an object's name for the time of its writing, UTC."""
        return f"{self.stem}_{moment:%Y%m%d_%H%M%S}{self.suffix}"

    def is_name(self, name: str) -> bool:
        """Return whether `name` made a name, or a folder store's writer that was killed left it aside."""
        named = rf"{re.escape(self.stem)}_\d{{8}}_\d{{6}}{re.escape(self.suffix)}"
        return re.fullmatch(rf"{named}|\.{named}\.[0-9a-f]{{32}}", name, re.ASCII) is not None


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing shows it.

    Attributes:
        name: Its name in the bucket.
        modified: When it was written, UTC.
    """

    name: str
    modified: dt.datetime


class ObjectStore(Protocol):
    """Buckets of immutable objects. Every method raises StoreError where the store refuses or is away."""

    def create(self, bucket: str, name: str, file: Path, fingerprint: Fingerprint) -> bool:
        """Store a file under a name that is free, making the bucket where it is missing; False if it is taken."""
        ...

    def fingerprint(self, bucket: str, name: str) -> Fingerprint:
        """Tell what is stored under a name, by the store's own reading of its bytes."""
        ...

    def fetch(self, bucket: str, name: str, to: Path) -> None:
        """Copy an object into a file."""
        ...

    def chunks(self, bucket: str, name: str) -> Iterator[bytes]:
        """Read an object's bytes."""
        ...

    def entries(
        self, bucket: str, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[StoredObject]:
        """List a bucket's objects in the order of their names; a bucket that is missing has none.

        Args:
            bucket: The bucket.
            prefix: What their names begin with.
            after: Only names beyond this one.
            limit: How many at most; all, if not given.
        """
        ...

    def delete(self, bucket: str, name: str) -> None:
        """Remove an object."""
        ...


def utc_now() -> dt.datetime:
    """Give the present moment."""
    return dt.datetime.now(dt.UTC)


def store_file(
    store: ObjectStore, prefix: str, kind: Kind, file: Path, *, moment: dt.datetime | None = None
) -> Artifact:
    """Give a file its place in a store.

    Args:
        store: Where to.
        prefix: What every bucket's name begins with.
        kind: What the file is.
        file: The file.
        moment: The time of writing; now where it is not given. A taken second gives way to the next.

    Raises:
        StoreError: The store refuses, or no second of the next two minutes is free.
        ObjectChangedError: What was read back is not what was written.
    """
    fingerprint, bucket = fingerprint_of(file), f"{prefix}-{kind.bucket}"
    begin = moment or utc_now()
    hit(Point.UPLOAD_BEGUN)
    for second in range(MAX_NAMES):
        name = kind.name(begin + dt.timedelta(seconds=second))
        if store.create(bucket, name, file, fingerprint):
            hit(Point.UPLOAD_COMPLETED)
            return _read_back(store, bucket, name, fingerprint)
    raise StoreError(f"{bucket} has no free name for {kind.name(begin)} or later", "Check who else writes there")


def fetch_object(store: ObjectStore, artifact: Artifact, to: Path) -> None:
    """Copy an object into a file, and check that it is the one that was stored.

    Raises:
        ObjectMissingError: It is gone.
        ObjectChangedError: Its size or hash is another; the file is removed.
    """
    bucket, name = split_uri(artifact.uri)
    store.fetch(bucket, name, to)
    hit(Point.INPUT_FETCHED)
    found = fingerprint_of(to)
    if found != artifact.fingerprint:
        to.unlink()
        raise changed(artifact, found)


def changed(artifact: Artifact, found: Fingerprint) -> ObjectChangedError:
    """Make the error for an object whose bytes are not those that were recorded."""
    return ObjectChangedError(
        f"{artifact.uri} is {found.size} bytes with SHA-256 {found.sha256}, but the audit recorded "
        f"{artifact.fingerprint.size} bytes with {artifact.fingerprint.sha256}",
        "Find out who changed it; materialize its partition again to replace it",
    )


def split_uri(uri: str) -> tuple[str, str]:
    """Return an object's bucket and name.

    Raises:
        StoreError: It is no object's URI, or would be a path out of the folder that objects are kept in.
    """
    match = re.fullmatch(r"s3://([^/]+)/(.+)", uri)
    if match is None or any(part in {"", ".", ".."} for part in uri.removeprefix("s3://").split("/")):
        raise StoreError(f"{quoted(uri)} is no object's address", "Give s3://bucket/name")
    return match[1], match[2]


def _read_back(store: ObjectStore, bucket: str, name: str, fingerprint: Fingerprint) -> Artifact:
    artifact, found = Artifact(f"s3://{bucket}/{name}", fingerprint), store.fingerprint(bucket, name)
    if found != fingerprint:
        raise changed(artifact, found)
    hit(Point.READ_BACK)
    return artifact
