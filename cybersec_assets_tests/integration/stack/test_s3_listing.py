"""S3Store on a real MinIO: what is there is listed in order, read in pieces and removed, and heads are numbered."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings

from cybersec_assets.artifact import fingerprint_of
from cybersec_assets.audit.heads.head import count_in, head_name
from cybersec_assets.audit.heads.writer import HeadWriter
from cybersec_assets.errors import ObjectMissingError
from cybersec_assets.failpoints import LOGGER, Point
from cybersec_assets.stores.s3 import CHUNK_BYTES, S3Store
from cybersec_assets_tests.support.audit.memory_store import HASH, KEY, PUBLIC
from cybersec_assets_tests.support.servers.workbench import s3_client
from cybersec_assets_tests.support.stores.listing import assert_listed, names_in, put, questions_about

NAMES = ("-", ".a", "0", "9_", "Z", "a", "a-", "ab", "aé", "b", "audit-heads/0", "audit-heads/aZ", "x/b", "x/b.", "é")
PART = 5 * 1024**2
WRITERS = 4


@pytest.fixture
def store(bench):
    """A store that puts what is larger than a part in parts."""
    return S3Store(s3_client(bench.minio), put_limit=PART, part_bytes=PART)


@pytest.fixture
def bucket(bench):
    """The name of a bucket that is not there yet."""
    return f"{bench.prefix}-eval"


@pytest.fixture
def file(tmp_path):
    """A file to store."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def test_a_listing_has_what_is_asked_for_in_order(store, bucket, file):
    """Prefix, place to go on after, and limit pick of MinIO's names what sorting all of them by hand picks."""
    for name in NAMES:
        put(store, bucket, name, file)

    @settings(max_examples=100, deadline=None)
    @given(question=questions_about(NAMES))
    def ask(question):
        assert_listed(store, bucket, NAMES, question)

    ask()


def test_more_than_a_page_is_listed_whole(bench, store, bucket, file):
    """MinIO gives a thousand names at a time; a listing has all of them, and a limit is kept over pages."""
    client, names = s3_client(bench.minio), [f"{number:04}" for number in range(1001)]
    client.create_bucket(Bucket=bucket)
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda name: client.put_object(Bucket=bucket, Key=name), names))
    put(store, bucket, "last", file)
    assert names_in(store, bucket) == [*names, "last"]
    assert names_in(store, bucket, limit=1001) == names


def test_a_missing_bucket_has_no_objects(bench, store, bucket):
    """A bucket that nobody has made is empty, and looking at it makes nothing."""
    assert names_in(store, bucket) == []
    assert bucket not in [one["Name"] for one in s3_client(bench.minio).list_buckets()["Buckets"]]


def test_an_object_is_read_in_pieces(store, bucket, file):
    """The pieces are the object's bytes in order, also of one that went up in parts; none takes too much memory."""
    file.write_bytes(os.urandom(PART + 7))
    put(store, bucket, "name", file)
    pieces = list(store.chunks(bucket, "name"))
    assert b"".join(pieces) == file.read_bytes()
    assert max(map(len, pieces)) <= CHUNK_BYTES


def test_a_removed_object_is_gone_and_its_name_is_free(store, bucket, file):
    """After its removal an object is neither listed nor read, and its name can be written to again."""
    put(store, bucket, "name", file)
    put(store, bucket, "other", file)
    store.delete(bucket, "name")
    assert names_in(store, bucket) == ["other"]
    with pytest.raises(ObjectMissingError, match=f"s3://{bucket}/name is missing"):
        list(store.chunks(bucket, "name"))
    put(store, bucket, "name", file)


def test_each_part_is_a_point_of_the_write_path(store, bucket, file, caplog):
    """How far an upload in parts came can be read off its points: one for each part."""
    file.write_bytes(os.urandom(2 * PART + 7))
    with caplog.at_level(logging.DEBUG, LOGGER.name):
        assert store.create(bucket, "name", file, fingerprint_of(file))
    assert caplog.messages == [Point.PART_UPLOADED] * 3


def test_many_writers_at_once_leave_no_gap(bench, bucket):
    """Keepers that sign at the same time get a number each from MinIO, and counts go up with the numbers."""

    def sign(first):
        keeper = HeadWriter(S3Store(s3_client(bench.minio)), bench.prefix, KEY)
        for count in range(first, 20, WRITERS):
            keeper.append(count, HASH)

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(sign, range(1, WRITERS + 1)))
    heads = bench.heads()
    counts = [count_in(content, PUBLIC) for content in heads.values()]
    assert list(heads) == [f"s3://{bucket}/{head_name(number)}" for number in range(1, len(heads) + 1)]
    assert counts == sorted(set(counts))
    assert counts[-1] == 19
