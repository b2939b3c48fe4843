"""How an artifact gets its name and place, and how it is known again; on folders, which need no server."""

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


class Forgetful(FolderStore):
    """A store that keeps other bytes than it was given."""

    def fingerprint(self, bucket, name):
        """Tell of bytes that nobody stored."""
        found = super().fingerprint(bucket, name)
        return Fingerprint(found.size, "0" * 64)


@pytest.fixture
def store(tmp_path):
    """A store of folders."""
    return FolderStore(tmp_path / "store")


@pytest.fixture
def make_file(tmp_path):
    """Make a file that holds a text."""

    def make(text):
        file = tmp_path / f"file-{text}"
        file.write_text(text)
        return file

    return make


def write(root, file):
    """Store a file at the moment at which all the others are stored, too."""
    return store_file(FolderStore(root), "test", KIND, file, moment=MOMENT)


def contents(store):
    """Give each object's text by its URI, hidden files included."""
    return {f"s3://{path.parent.name}/{path.name}": path.read_text() for path in store.root.glob("*/*")}


def test_a_file_becomes_an_artifact_of_the_contracts_name(store, make_file):
    """The object lies at prefix, bucket, stem and UTC time, and the artifact tells its size and hash."""
    made = write(store.root, make_file("one"))
    assert made.uri == "s3://test-raw/network_events_20260102_235958.parquet"
    assert made.name == "network_events_20260102_235958.parquet"
    assert made.fingerprint == fingerprint_of(make_file("one"))


def test_the_time_of_writing_is_now(store, make_file):
    """Without a moment the name holds the present second, UTC."""
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    name = store_file(store, "test", KIND, make_file("one")).name
    written = dt.datetime.strptime(name, "network_events_%Y%m%d_%H%M%S.parquet").replace(tzinfo=dt.UTC)
    assert before <= written <= dt.datetime.now(dt.UTC)


def test_a_taken_second_gives_way_to_the_next(store, make_file):
    """Three files of one second get this and the next two, over midnight as well, and all stay as they are."""
    for text in ("one", "two", "three"):
        write(store.root, make_file(text))
    assert contents(store) == {
        "s3://test-raw/network_events_20260102_235958.parquet": "one",
        "s3://test-raw/network_events_20260102_235959.parquet": "two",
        "s3://test-raw/network_events_20260103_000000.parquet": "three",
    }


def test_no_free_second_is_an_error(store, make_file, monkeypatch):
    """Where every second that is tried is taken the error names bucket and object, and nothing is overwritten."""
    monkeypatch.setattr(base, "MAX_NAMES", 2)
    for text in ("one", "two"):
        write(store.root, make_file(text))
    with pytest.raises(StoreError, match=r"test-raw has no free name for network_events_20260102_235958\.parquet"):
        write(store.root, make_file("three"))
    assert sorted(contents(store).values()) == ["one", "two"]


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, pytest.param(ProcessPoolExecutor, marks=pytest.mark.slow)])
def test_writers_of_one_second_get_a_name_each(store, make_file, pool):
    """Threads and processes that write at one second all get names of their own, and nothing is overwritten."""
    files = [make_file(str(number)) for number in range(WRITERS)]
    # A process that is forked while threads run may hang.
    options = {"mp_context": multiprocessing.get_context("spawn")} if pool is ProcessPoolExecutor else {}
    with pool(4, **options) as writers:
        made = list(writers.map(write, [store.root] * WRITERS, files))
    assert contents(store) == {artifact.uri: str(number) for number, artifact in enumerate(made)}


def test_what_is_not_read_back_is_no_artifact(tmp_path, make_file):
    """A store that keeps other bytes than it was given is found out at once, and the object is named."""
    with pytest.raises(ObjectChangedError, match=r"s3://test-raw/network_events_20260102_235958\.parquet is 3 bytes"):
        store_file(Forgetful(tmp_path / "store"), "test", KIND, make_file("one"), moment=MOMENT)


def test_an_object_is_fetched_as_it_was_stored(store, make_file, tmp_path):
    """A fetched copy has the bytes of the artifact."""
    fetch_object(store, write(store.root, make_file("one")), tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "one"


@pytest.mark.parametrize("forged", ["eno", "longer than before", ""], ids=["same size", "longer", "empty"])
def test_a_changed_object_is_named_and_not_kept(store, make_file, tmp_path, forged):
    """An object with other bytes than recorded gives an error with its name and both hashes, and no copy."""
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


def test_an_object_that_is_gone_is_named(store, make_file, tmp_path):
    """An object that was deleted gives an error with its name, and no copy."""
    made = write(store.root, make_file("one"))
    (stored,) = store.root.glob("*/*")
    stored.unlink()
    with pytest.raises(ObjectMissingError, match=made.uri):
        fetch_object(store, made, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("uri", ["", "s3://", "s3://bucket", "s3://bucket/", "https://bucket/name", "bucket/name"])
def test_what_is_no_uri_is_refused(store, tmp_path, uri):
    """An address that names no bucket and object is quoted in the error, and nothing is fetched."""
    with pytest.raises(StoreError, match="no object's address") as caught:
        fetch_object(store, Artifact(uri, Fingerprint(0, "")), tmp_path / "copy")
    assert repr(uri) in str(caught.value)


def test_a_uri_is_split_at_its_bucket():
    """A name may hold slashes, a bucket may not."""
    assert split_uri("s3://bucket/folder/name") == ("bucket", "folder/name")
