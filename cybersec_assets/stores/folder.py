"""An object store made of folders: one a bucket, one file an object."""

import datetime as dt
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from cybersec_assets.artifact import Fingerprint, fingerprint_of
from cybersec_assets.errors import ObjectMissingError, StoreError
from cybersec_assets.stores.base import StoredObject

READ_ONLY = 0o444
CHUNK_BYTES = 1024**2


class FolderStore:
    """Keep objects below a folder, with an S3 store's refusal to overwrite.

    Args:
        root: The folder; made when something is stored.
    """

    def __init__(self, root: Path) -> None:
        """Note the folder; nothing is made yet."""
        self.root = root

    def create(self, bucket: str, name: str, file: Path, _fingerprint: Fingerprint) -> bool:
        """Write aside, then link into place: a link, unlike a rename, refuses a name that is taken."""
        with _translate_errors(self.root):
            path = self.root / bucket / name
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            try:
                _copy_durably(file, aside)
                return _link(aside, path)
            finally:
                aside.unlink(missing_ok=True)

    def fingerprint(self, bucket: str, name: str) -> Fingerprint:
        """Read the object to its end."""
        with _translate_errors(self.root):
            return fingerprint_of(self._existing(bucket, name))

    def fetch(self, bucket: str, name: str, to: Path) -> None:
        """Copy the object."""
        with _translate_errors(self.root):
            shutil.copyfile(self._existing(bucket, name), to)

    def chunks(self, bucket: str, name: str) -> Iterator[bytes]:
        """Read the object."""
        with _translate_errors(self.root), self._existing(bucket, name).open("rb") as stream:
            yield from iter(lambda: stream.read(CHUNK_BYTES), b"")

    def entries(
        self, bucket: str, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[StoredObject]:
        """List the folder's files, also those that a writer left aside when it was killed."""
        with _translate_errors(self.root):
            folder = self.root / bucket
            names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
            wanted = (name for name in names if name.startswith(prefix) and name > after)
            for name in islice(wanted, limit):
                # A file that its writer has taken away meanwhile was none of the store's.
                with suppress(FileNotFoundError):
                    modified = (folder / name).stat().st_mtime
                    yield StoredObject(name, dt.datetime.fromtimestamp(modified, dt.UTC))

    def delete(self, bucket: str, name: str) -> None:
        """Remove the file."""
        with _translate_errors(self.root):
            self._existing(bucket, name).unlink()

    def _existing(self, bucket: str, name: str) -> Path:
        path = self.root / bucket / name
        if not path.is_file():
            raise ObjectMissingError(f"s3://{bucket}/{name} is gone from {self.root}", "Restore it from a backup")
        return path


def _copy_durably(file: Path, to: Path) -> None:
    shutil.copyfile(file, to)
    to.chmod(READ_ONLY)
    _sync(to)


def _link(aside: Path, path: Path) -> bool:
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        return False
    # Without this a power cut could take the name back after the audit has said SUCCESS.
    _sync(path.parent)
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translate_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the object store in {root} refused: {error}", "Check the disk and its permissions"
        ) from error
