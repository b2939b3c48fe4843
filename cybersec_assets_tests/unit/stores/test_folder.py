"""FolderStore overwrites nothing, leaves no partial object, and stores read-only files."""

import errno
import os
import pwd
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from cybersec_assets.artifact import Fingerprint, fingerprint_of
from cybersec_assets.errors import ObjectMissingError, StoreError
from cybersec_assets.stores.folder import FolderStore

WRITERS = 8
KILLED_DURING_COPY = """
import os, shutil, signal, sys
from pathlib import Path
from cybersec_assets.artifact import fingerprint_of
from cybersec_assets.stores.folder import FolderStore

def half(source, to):
    Path(to).write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

shutil.copyfile = half
file = Path(sys.argv[2])
FolderStore(Path(sys.argv[1])).create("bucket", "name", file, fingerprint_of(file))
"""


@pytest.fixture
def store(tmp_path):
    """A store in a folder that does not exist yet."""
    return FolderStore(tmp_path / "store")


@pytest.fixture
def file(tmp_path):
    """A file to store."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def put(store, file, name="name"):
    """Store a file."""
    return store.create("bucket", name, file, fingerprint_of(file))


def names(store):
    """Return the names of a bucket's files, including hidden ones."""
    return sorted(path.name for path in (store.root / "bucket").iterdir())


def test_an_object_has_the_bytes_of_its_file_and_no_temporary_file_remains(store, file):
    assert put(store, file)
    assert store.fingerprint("bucket", "name") == fingerprint_of(file)
    assert names(store) == ["name"]
    assert file.read_bytes() == b"content"


def test_a_taken_name_is_refused(store, file, tmp_path):
    """The second write returns False and leaves the first object unchanged."""
    other = tmp_path / "other"
    other.write_bytes(b"other")
    assert put(store, file)
    assert not put(store, other)
    assert (store.root / "bucket" / "name").read_bytes() == b"content"
    assert names(store) == ["name"]


def test_an_object_is_read_only(store, file):
    """The mode does not depend on that of the source or on the umask."""
    file.chmod(0o666)
    before = os.umask(0)
    try:
        put(store, file)
    finally:
        os.umask(before)
    assert (store.root / "bucket" / "name").stat().st_mode & 0o777 == 0o444


def test_an_object_does_not_change_with_its_source(store, file):
    stored = fingerprint_of(file)
    put(store, file)
    file.write_bytes(b"changed")
    assert store.fingerprint("bucket", "name") == stored


def test_exactly_one_of_many_writers_of_a_name_succeeds(store, tmp_path):
    files = [tmp_path / str(number) for number in range(WRITERS)]
    barrier = Barrier(WRITERS)
    for file in files:
        file.write_text(file.name)

    def write(file):
        barrier.wait()
        return put(store, file)

    with ThreadPoolExecutor(WRITERS) as threads:
        won = list(threads.map(write, files))
    assert won.count(True) == 1
    assert (store.root / "bucket" / "name").read_text() == str(won.index(True))
    assert names(store) == ["name"]


def test_a_full_disk_during_a_copy_leaves_no_file(store, file, monkeypatch):

    def full(_source, to):
        to.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StoreError, match="No space left on device") as caught:
        put(store, file)
    assert str(store.root) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(store) == []


def test_a_writer_killed_during_a_copy_leaves_no_object(store, file):
    """The name is free, and the temporary file is hidden."""
    done = subprocess.run([sys.executable, "-c", KILLED_DURING_COPY, str(store.root), str(file)], check=False)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(ObjectMissingError):
        store.fingerprint("bucket", "name")
    assert all(name.startswith(".") for name in names(store))
    assert put(store, file)
    assert store.fingerprint("bucket", "name") == fingerprint_of(file)


def test_an_object_is_flushed_to_disk_before_it_is_linked(store, file, monkeypatch):
    steps = []
    flush = os.fsync
    link = type(file).hardlink_to
    monkeypatch.setattr(os, "fsync", lambda stream: (steps.append("flush"), flush(stream)))
    monkeypatch.setattr(type(file), "hardlink_to", lambda path, to: (steps.append("link"), link(path, to)))
    put(store, file)
    assert steps[:2] == ["flush", "link"]


def test_a_missing_object_is_named(store, tmp_path):
    for call in (lambda: store.fingerprint("bucket", "name"), lambda: store.fetch("bucket", "name", tmp_path / "copy")):
        with pytest.raises(ObjectMissingError, match=f"s3://bucket/name is missing from {store.root}"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_a_fetched_copy_is_writable(store, file, tmp_path):
    put(store, file)
    copy = tmp_path / "copy"
    store.fetch("bucket", "name", copy)
    assert copy.read_bytes() == b"content"
    assert copy.stat().st_mode & 0o200


def test_a_root_that_cannot_be_created_is_named(tmp_path, file):
    """The file in the way is an obstacle for root, too."""
    in_the_way = tmp_path / "in the way"
    in_the_way.touch()
    with pytest.raises(StoreError) as caught:
        put(FolderStore(in_the_way / "store"), file)
    assert str(in_the_way / "store") in str(caught.value)
    assert "Check the disk and its permissions" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def closed_folder(tmp_path):
    """A folder that its owner cannot write to."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    return folder


@pytest.fixture
def _unprivileged(closed_folder):  # noqa: ARG001 - created before the privileges are dropped
    """Run as `nobody` if the tests are run by root, who can write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    yield
    if root:
        os.seteuid(0)


@pytest.mark.usefixtures("_unprivileged")
def test_a_root_that_is_not_writable_is_named(closed_folder):
    store = FolderStore(closed_folder / "store")
    with pytest.raises(StoreError, match=f"the object store in {store.root} failed: .*Permission denied"):
        store.create("bucket", "name", Path(os.devnull), Fingerprint(0, ""))
