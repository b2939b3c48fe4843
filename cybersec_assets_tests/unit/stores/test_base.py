"""How artifacts are named, stored and verified. Uses a folder store, which needs no server."""

import datetime as dt
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from cybersec_assets.artifact import Artifact, Fingerprint, fingerprint_of
from cybersec_assets.errors import ObjectChangedError, ObjectMissingError, StoreError
from cybersec_assets.stores import base
from cybersec_assets.stores.base import Kind, fetch_object, split_uri, store_file
from cybersec_assets.stores.folder import FolderStore

KIND = Kind("raw", "network_events", ".parquet")
MOMENT = dt.datetime(2026, 1, 2, 23, 59, 58, tzinfo=dt.UTC)
WRITERS = 8


class Corrupting(FolderStore):
    """A store that stores other bytes than it was given."""

    def fingerprint(self, bucket, name):
        """Return a hash that does not match."""
        found = super().fingerprint(bucket, name)
        return Fingerprint(found.size, "0" * 64)


@pytest.fixture
def store(tmp_path):
    """A store of folders."""
    return FolderStore(tmp_path / "store")


@pytest.fixture
def make_file(tmp_path):
    """Return a function that writes a file with a text."""

    def make(text):
        file = tmp_path / f"file-{text}"
        file.write_text(text)
        return file

    return make


def write(root, file):
    """Store a file at the same moment as all the others."""
    return store_file(FolderStore(root), "test", KIND, file, moment=MOMENT)


def contents(store):
    """Return each object's text by its URI, including hidden files."""
    return {f"s3://{path.parent.name}/{path.name}": path.read_text() for path in store.root.glob("*/*")}


def test_a_stored_file_has_the_name_of_the_contract(store, make_file):
    made = write(store.root, make_file("one"))
    assert made.uri == "s3://test-raw/network_events_20260102_235958.parquet"
    assert made.name == "network_events_20260102_235958.parquet"
    assert made.fingerprint == fingerprint_of(make_file("one"))


def test_the_default_moment_is_now(store, make_file):
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    name = store_file(store, "test", KIND, make_file("one")).name
    written = dt.datetime.strptime(name, "network_events_%Y%m%d_%H%M%S.parquet").replace(tzinfo=dt.UTC)
    assert before <= written <= dt.datetime.now(dt.UTC)


def test_a_taken_name_is_followed_by_that_of_the_next_second(store, make_file):
    for text in ("one", "two", "three"):
        write(store.root, make_file(text))
    assert contents(store) == {
        "s3://test-raw/network_events_20260102_235958.parquet": "one",
        "s3://test-raw/network_events_20260102_235959.parquet": "two",
        "s3://test-raw/network_events_20260103_000000.parquet": "three",
    }


def test_no_free_name_is_an_error(store, make_file, monkeypatch):
    monkeypatch.setattr(base, "MAX_NAMES", 2)
    for text in ("one", "two"):
        write(store.root, make_file(text))
    with pytest.raises(StoreError, match=r"test-raw has no free name for network_events_20260102_235958\.parquet"):
        write(store.root, make_file("three"))
    assert sorted(contents(store).values()) == ["one", "two"]


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_concurrent_writers_get_a_name_each(store, make_file, pool):
    files = [make_file(str(number)) for number in range(WRITERS)]
    # A process that is forked while threads run may deadlock.
    options = {"mp_context": multiprocessing.get_context("spawn")} if pool is ProcessPoolExecutor else {}
    with pool(4, **options) as writers:
        made = list(writers.map(write, [store.root] * WRITERS, files))
    assert contents(store) == {artifact.uri: str(number) for number, artifact in enumerate(made)}


def test_an_object_that_is_not_read_back_unchanged_is_an_error(tmp_path, make_file):
    with pytest.raises(ObjectChangedError, match=r"s3://test-raw/network_events_20260102_235958\.parquet is 3 bytes"):
        store_file(Corrupting(tmp_path / "store"), "test", KIND, make_file("one"), moment=MOMENT)


def test_an_object_is_fetched_unchanged(store, make_file, tmp_path):
    fetch_object(store, write(store.root, make_file("one")), tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "one"


@pytest.mark.parametrize("forged", ["eno", "longer than before", ""], ids=["same size", "longer", "empty"])
def test_a_changed_object_is_an_error_with_both_hashes(store, make_file, tmp_path, forged):
    made = write(store.root, make_file("one"))
    (stored,) = store.root.glob("*/*")
    stored.chmod(0o600)
    stored.write_text(forged)
    with pytest.raises(ObjectChangedError) as caught:
        fetch_object(store, made, tmp_path / "copy")
    for part in (made.uri, made.fingerprint.sha256, fingerprint_of(stored).sha256):
        assert part in str(caught.value)
    assert not (tmp_path / "copy").exists()
    assert caught.value.exit_status == 1


def test_a_deleted_object_is_an_error(store, make_file, tmp_path):
    made = write(store.root, make_file("one"))
    (stored,) = store.root.glob("*/*")
    stored.unlink()
    with pytest.raises(ObjectMissingError, match=made.uri):
        fetch_object(store, made, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("uri", ["", "s3://", "s3://bucket", "s3://bucket/", "https://bucket/name", "bucket/name"])
def test_an_invalid_uri_is_an_error(store, tmp_path, uri):
    with pytest.raises(StoreError, match="not the URI of an object") as caught:
        fetch_object(store, Artifact(uri, Fingerprint(0, "")), tmp_path / "copy")
    assert repr(uri) in str(caught.value)


def test_a_uri_is_split_at_its_bucket():
    """A name may contain slashes."""
    assert split_uri("s3://bucket/folder/name") == ("bucket", "folder/name")
