"""S3Store on a real MinIO: objects are listed in order, read in chunks and deleted, and heads are numbered."""

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
from cybersec_assets_tests.support.stores.listing import arguments_for, assert_listed, names_in, put

NAMES = ("-", ".a", "0", "9_", "Z", "a", "a-", "ab", "aé", "b", "audit-heads/0", "audit-heads/aZ", "x/b", "x/b.", "é")
PART = 5 * 1024**2
WRITERS = 4


@pytest.fixture
def store(bench):
    """Return a store that uploads files above the size of a part in parts."""
    return S3Store(s3_client(bench.minio), put_limit=PART, part_bytes=PART)


@pytest.fixture
def bucket(bench):
    """Return the name of a bucket that does not exist yet."""
    return f"{bench.prefix}-eval"


@pytest.fixture
def file(tmp_path):
    """Return a file to store."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def test_a_listing_is_ordered_and_complete(store, bucket, file):
    """Prefix, start and limit select what sorting all names by hand selects."""
    for name in NAMES:
        put(store, bucket, name, file)

    @settings(max_examples=100, deadline=None)
    @given(arguments=arguments_for(NAMES))
    def check(arguments):
        assert_listed(store, bucket, NAMES, arguments)

    check()


def test_a_listing_of_more_than_one_page(bench, store, bucket, file):
    """MinIO returns pages of a thousand names. A limit applies across pages."""
    client = s3_client(bench.minio)
    names = [f"{number:04}" for number in range(1001)]
    client.create_bucket(Bucket=bucket)
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda name: client.put_object(Bucket=bucket, Key=name), names))
    put(store, bucket, "last", file)
    assert names_in(store, bucket) == [*names, "last"]
    assert names_in(store, bucket, limit=1001) == names


def test_a_missing_bucket_has_no_objects(bench, store, bucket):
    """Listing it does not create it."""
    assert names_in(store, bucket) == []
    assert bucket not in [one["Name"] for one in s3_client(bench.minio).list_buckets()["Buckets"]]


def test_an_object_is_read_in_chunks(store, bucket, file):
    """The chunks are the object's bytes in order, also if it was uploaded in parts, and none is too large."""
    file.write_bytes(os.urandom(PART + 7))
    put(store, bucket, "name", file)
    chunks = list(store.chunks(bucket, "name"))
    assert b"".join(chunks) == file.read_bytes()
    assert max(map(len, chunks)) <= CHUNK_BYTES


def test_the_name_of_a_deleted_object_is_free(store, bucket, file):
    """It is neither listed nor read, and its name can be written again."""
    put(store, bucket, "name", file)
    put(store, bucket, "other", file)
    store.delete(bucket, "name")
    assert names_in(store, bucket) == ["other"]
    with pytest.raises(ObjectMissingError, match=f"s3://{bucket}/name is missing"):
        list(store.chunks(bucket, "name"))
    put(store, bucket, "name", file)


def test_each_part_is_a_failpoint(store, bucket, file, caplog):
    file.write_bytes(os.urandom(2 * PART + 7))
    with caplog.at_level(logging.DEBUG, LOGGER.name):
        assert store.create(bucket, "name", file, fingerprint_of(file))
    assert caplog.messages == [Point.PART_UPLOADED] * 3


def test_concurrent_head_writers_leave_no_gap(bench, bucket):
    """Concurrent head writers get one number each from MinIO, and counts increase with the numbers."""

    def sign(first):
        writer = HeadWriter(S3Store(s3_client(bench.minio)), bench.prefix, KEY)
        for count in range(first, 20, WRITERS):
            writer.append(count, HASH)

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(sign, range(1, WRITERS + 1)))
    heads = bench.heads()
    counts = [count_in(content, PUBLIC) for content in heads.values()]
    assert list(heads) == [f"s3://{bucket}/{head_name(number)}" for number in range(1, len(heads) + 1)]
    assert counts == sorted(set(counts))
    assert counts[-1] == 19
