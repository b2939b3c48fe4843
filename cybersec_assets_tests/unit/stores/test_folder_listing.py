"""FolderStore: what is there is listed in order, read in pieces and removed, leftovers included."""

import datetime as dt
import itertools
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given

from cybersec_assets.errors import ObjectMissingError, StoreError
from cybersec_assets.stores.folder import CHUNK_BYTES, FolderStore
from cybersec_assets_tests.support.stores.listing import assert_listed, listings, names_in, put

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.fixture
def store(tmp_path):
    """A store in a folder that is not there yet."""
    return FolderStore(tmp_path / "store")


@pytest.fixture
def file(tmp_path):
    """A file to store."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


@given(listing=listings)
def test_a_listing_has_what_is_asked_for_in_order(listing):
    """Prefix, place to go on after, and limit pick of any names what sorting all of them by hand picks."""
    names, question = listing
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        for name in names:
            path = store.root / "bucket" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert_listed(store, "bucket", names, question)


def test_a_listing_in_pieces_is_the_whole(store, file):
    """Who goes on after the last name of each piece gets every name once."""
    names = [f"{number:02}" for number in range(7)]
    for name in reversed(names):
        put(store, "bucket", name, file)
    pieces, last = [], ""
    for _ in range(3):
        pieces.append(names_in(store, "bucket", after=last, limit=3))
        last = pieces[-1][-1]
    assert list(itertools.chain(*pieces)) == names
    assert names_in(store, "bucket", after=last, limit=3) == []


def test_an_entry_tells_when_it_was_written(store, file):
    """The time is the file's, UTC."""
    put(store, "bucket", "name", file)
    os.utime(store.root / "bucket" / "name", (0, MOMENT.timestamp()))
    (entry,) = store.entries("bucket")
    assert (entry.name, entry.modified) == ("name", MOMENT)


def test_a_missing_bucket_has_no_objects(store):
    """A bucket that nobody has made is empty, and looking at it makes nothing."""
    assert names_in(store, "bucket") == []
    assert not store.root.exists()


def test_what_a_killed_writer_left_is_listed_and_can_be_removed(store, file):
    """A file that was left aside is no object under its name, but whoever tidies up finds it and takes it away."""
    put(store, "bucket", "name", file)
    (store.root / "bucket" / ".name.0123").write_bytes(b"ha")
    assert names_in(store, "bucket") == [".name.0123", "name"]
    store.delete("bucket", ".name.0123")
    assert names_in(store, "bucket") == ["name"]


def test_a_file_that_goes_amid_a_listing_is_left_out(store, file):
    """What its writer takes away while others list is none of the store's, and the listing goes on."""
    for name in ("a", "b", "c"):
        put(store, "bucket", name, file)
    listing = store.entries("bucket")
    assert next(listing).name == "a"
    store.delete("bucket", "b")
    assert [entry.name for entry in listing] == ["c"]


def test_an_object_is_read_in_pieces(store, file):
    """The pieces are the object's bytes in order, and none is larger than there should be memory for."""
    file.write_bytes(os.urandom(2 * CHUNK_BYTES + 1))
    put(store, "bucket", "name", file)
    pieces = list(store.chunks("bucket", "name"))
    assert b"".join(pieces) == file.read_bytes()
    assert [len(piece) for piece in pieces] == [CHUNK_BYTES, CHUNK_BYTES, 1]


def test_an_empty_object_has_no_pieces(store, file):
    """An object without a byte is read to its end at once."""
    file.write_bytes(b"")
    put(store, "bucket", "name", file)
    assert list(store.chunks("bucket", "name")) == []


def test_a_removed_object_is_gone_and_its_name_is_free(store, file):
    """After its removal an object is not listed and not read, and its name can be written to again; others stay."""
    for name in ("name", "other"):
        put(store, "bucket", name, file)
    store.delete("bucket", "name")
    assert names_in(store, "bucket") == ["other"]
    put(store, "bucket", "name", file)
    assert names_in(store, "bucket") == ["name", "other"]


def test_what_is_not_there_is_named(store):
    """Reading and removing what is not there name it and the store."""
    for ask in (lambda: list(store.chunks("bucket", "name")), lambda: store.delete("bucket", "name")):
        with pytest.raises(ObjectMissingError, match=f"s3://bucket/name is gone from {store.root}"):
            ask()


def test_a_folder_that_cannot_be_removed_is_a_store_error(store, file, monkeypatch):
    """What the disk refuses is one line that names the store."""
    put(store, "bucket", "name", file)

    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreError, match=f"the object store in {store.root} refused: .*Permission denied"):
        store.delete("bucket", "name")
