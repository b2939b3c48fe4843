"""FolderStore lists, reads in chunks and deletes objects, including the temporary files of killed writers."""

import datetime as dt
import itertools
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given

from cybersec_assets.errors import ObjectMissingError, StoreError
from cybersec_assets.stores.base import CHUNK_BYTES
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.stores.listing import assert_listed, listings, names_in, put

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


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


@given(listing=listings)
def test_a_listing_is_filtered_and_in_order(listing):
    names, arguments = listing
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        for name in names:
            path = store.root / "bucket" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert_listed(store, "bucket", names, arguments)


def test_pages_of_a_listing_contain_every_name_once(store, file):
    names = [f"{number:02}" for number in range(7)]
    for name in reversed(names):
        put(store, "bucket", name, file)
    pages = []
    last = ""
    for _ in range(3):
        pages.append(names_in(store, "bucket", after=last, limit=3))
        last = pages[-1][-1]
    assert list(itertools.chain(*pages)) == names
    assert names_in(store, "bucket", after=last, limit=3) == []


def test_a_listed_object_has_the_time_of_its_file(store, file):
    put(store, "bucket", "name", file)
    os.utime(store.root / "bucket" / "name", (0, MOMENT.timestamp()))
    (entry,) = store.entries("bucket")
    assert (entry.name, entry.modified) == ("name", MOMENT)


def test_a_missing_bucket_has_no_objects(store):
    """Listing a missing bucket does not create it."""
    assert names_in(store, "bucket") == []
    assert not store.root.exists()


def test_the_temporary_file_of_a_killed_writer_is_listed_and_can_be_deleted(store, file):
    put(store, "bucket", "name", file)
    (store.root / "bucket" / ".name.0123").write_bytes(b"ha")
    assert names_in(store, "bucket") == [".name.0123", "name"]
    store.delete("bucket", ".name.0123")
    assert names_in(store, "bucket") == ["name"]


def test_a_file_that_is_deleted_during_a_listing_is_skipped(store, file):
    for name in ("a", "b", "c"):
        put(store, "bucket", name, file)
    listing = store.entries("bucket")
    assert next(listing).name == "a"
    store.delete("bucket", "b")
    assert [entry.name for entry in listing] == ["c"]


def test_an_object_is_read_in_chunks(store, file):
    file.write_bytes(os.urandom(2 * CHUNK_BYTES + 1))
    put(store, "bucket", "name", file)
    chunks = list(store.chunks("bucket", "name"))
    assert b"".join(chunks) == file.read_bytes()
    assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, CHUNK_BYTES, 1]


def test_an_empty_object_has_no_chunks(store, file):
    file.write_bytes(b"")
    put(store, "bucket", "name", file)
    assert list(store.chunks("bucket", "name")) == []


def test_a_deleted_object_is_not_listed_and_its_name_is_free(store, file):
    for name in ("name", "other"):
        put(store, "bucket", name, file)
    store.delete("bucket", "name")
    assert names_in(store, "bucket") == ["other"]
    put(store, "bucket", "name", file)
    assert names_in(store, "bucket") == ["name", "other"]


def test_reading_or_deleting_a_missing_object_names_it(store):
    for call in (lambda: list(store.chunks("bucket", "name")), lambda: store.delete("bucket", "name")):
        with pytest.raises(ObjectMissingError, match=f"s3://bucket/name is missing from {store.root}"):
            call()


def test_a_file_that_cannot_be_deleted_is_a_store_error(store, file, monkeypatch):
    put(store, "bucket", "name", file)

    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreError, match=f"the object store in {store.root} failed: .*Permission denied"):
        store.delete("bucket", "name")
