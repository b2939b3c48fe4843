"""An object store of folders: each bucket is a folder, and each object a file."""

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
from cybersec_assets.stores.base import CHUNK_BYTES, StoredObject

READ_ONLY = 0o444


class FolderStore:
    """Store objects below a folder, and never overwrite one, as an S3 store does.

    Args:
        root: The folder. It is created when the first object is stored.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, bucket: str, name: str, file: Path, _fingerprint: Fingerprint) -> bool:
        """Write a temporary file, then link it. Unlike a rename, a link fails if the name is taken."""
        with _translate_errors(self.root):
            path = self.root / bucket / name
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            try:
                _copy_durably(file, temporary)
                return _link(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)

    def fingerprint(self, bucket: str, name: str) -> Fingerprint:
        """Hash the whole object."""
        with _translate_errors(self.root):
            return fingerprint_of(self._existing(bucket, name))

    def fetch(self, bucket: str, name: str, to: Path) -> None:
        """Copy the object into a file."""
        with _translate_errors(self.root):
            shutil.copyfile(self._existing(bucket, name), to)

    def chunks(self, bucket: str, name: str) -> Iterator[bytes]:
        """Yield the object's bytes."""
        with _translate_errors(self.root), self._existing(bucket, name).open("rb") as stream:
            yield from iter(lambda: stream.read(CHUNK_BYTES), b"")

    def entries(
        self, bucket: str, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[StoredObject]:
        """Yield the folder's files, including the temporary files of killed writers."""
        with _translate_errors(self.root):
            folder = self.root / bucket
            names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
            wanted = (name for name in names if name.startswith(prefix) and name > after)
            for name in islice(wanted, limit):
                # The writer may have deleted its temporary file in the meantime.
                with suppress(FileNotFoundError):
                    modified = (folder / name).stat().st_mtime
                    yield StoredObject(name, dt.datetime.fromtimestamp(modified, dt.UTC))

    def delete(self, bucket: str, name: str) -> None:
        """Delete the file."""
        with _translate_errors(self.root):
            self._existing(bucket, name).unlink()

    def _existing(self, bucket: str, name: str) -> Path:
        path = self.root / bucket / name
        if not path.is_file():
            raise ObjectMissingError(f"s3://{bucket}/{name} is missing from {self.root}", "Restore it from a backup")
        return path


def _copy_durably(file: Path, to: Path) -> None:
    shutil.copyfile(file, to)
    to.chmod(READ_ONLY)
    _sync(to)


def _link(temporary: Path, path: Path) -> bool:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    # Otherwise a power failure could remove the name after the audit recorded SUCCESS.
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
        raise StoreError(f"the object store in {root} failed: {error}", "Check the disk and its permissions") from error
