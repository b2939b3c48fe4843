"""S3Store on a real MinIO: nothing is overwritten or half-written, and every read-back checks the bytes."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from cybersec_assets.artifact import fingerprint_of
from cybersec_assets.errors import ObjectChangedError, ObjectMissingError, StoreError
from cybersec_assets.stores.base import Kind, store_file, utc_now
from cybersec_assets.stores.s3 import S3Store
from cybersec_assets_tests.support.servers.workbench import s3_client

MIB = 1024**2
PART = 5 * MIB
KIND = Kind("raw", "thing", ".bin")
WRITERS = 8


@pytest.fixture
def bucket(bench):
    """Return the name of a bucket that does not exist yet."""
    return f"{bench.prefix}-raw"


@pytest.fixture
def whole(bench):
    """Return a store that uploads each file in one request."""
    return S3Store(s3_client(bench.minio))


@pytest.fixture
def in_parts(bench):
    """Return a store that uploads files above the size of a part in parts."""
    return S3Store(s3_client(bench.minio), put_limit=PART, part_bytes=PART)


@pytest.fixture(params=["whole", "in parts"])
def store(request, whole, in_parts):
    """Return a store for each way of writing."""
    return whole if request.param == "whole" else in_parts


@pytest.fixture
def make_file(tmp_path):
    """Return a function that creates a file of random bytes, a little larger than two parts by default."""

    def make(name="file", size=2 * PART + 7):
        file = tmp_path / name
        file.write_bytes(os.urandom(size))
        return file

    return make


def unfinished_uploads(bench, bucket, name):
    """Return the multipart uploads that MinIO keeps. It lists them by the full name only."""
    return s3_client(bench.minio).list_multipart_uploads(Bucket=bucket, Prefix=name).get("Uploads", [])


def test_a_taken_name_is_refused(bench, store, bucket, make_file):
    """The second write returns False, the first bytes stay, and no part of the second is kept."""
    first = make_file("first")
    second = make_file("second")
    assert store.create(bucket, "name", first, fingerprint_of(first))
    assert not store.create(bucket, "name", second, fingerprint_of(second))
    assert bench.objects() == {f"s3://{bucket}/name": first.read_bytes()}
    assert unfinished_uploads(bench, bucket, "name") == []


def test_one_of_many_writers_wins_a_name(bench, store, bucket, make_file):
    """The writers start at once, in a bucket that does not exist yet."""
    files = [make_file(str(number), PART + number) for number in range(WRITERS)]
    barrier = Barrier(WRITERS)

    def write(file):
        barrier.wait()
        return store.create(bucket, "name", file, fingerprint_of(file))

    with ThreadPoolExecutor(WRITERS) as threads:
        won = list(threads.map(write, files))
    assert won.count(True) == 1
    assert bench.objects() == {f"s3://{bucket}/name": files[won.index(True)].read_bytes()}
    assert unfinished_uploads(bench, bucket, "name") == []


def test_concurrent_writers_get_a_name_each(bench, whole, make_file):
    """Each name has the bytes of its own writer."""
    files = [make_file(str(number), 1000 + number) for number in range(WRITERS)]
    moment = utc_now()
    with ThreadPoolExecutor(WRITERS) as threads:
        made = list(threads.map(lambda file: store_file(whole, bench.prefix, KIND, file, moment=moment), files))
    assert bench.objects() == {artifact.uri: file.read_bytes() for artifact, file in zip(made, files, strict=True)}


def test_an_object_in_parts_is_confirmed_by_its_bytes(bench, in_parts, bucket, make_file):
    """The fingerprint is that of the whole file, which MinIO's composite checksum is not."""
    file = make_file()
    assert in_parts.create(bucket, "name", file, fingerprint_of(file))
    head = s3_client(bench.minio).head_object(Bucket=bucket, Key="name", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-3"')
    assert in_parts.fingerprint(bucket, "name") == fingerprint_of(file)


def test_an_object_without_a_checksum_is_read_whole(bench, whole, bucket, make_file, tmp_path):
    """An object that another program stored is fingerprinted by its bytes and fetched unchanged."""
    file = make_file()
    copy = tmp_path / "copy"
    s3 = s3_client(bench.minio)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="name", Body=file.read_bytes())
    assert whole.fingerprint(bucket, "name") == fingerprint_of(file)
    whole.fetch(bucket, "name", copy)
    assert copy.read_bytes() == file.read_bytes()


def test_a_file_that_changes_during_the_upload_is_not_stored(bench, whole, bucket, make_file):
    """MinIO refuses bytes that do not match the announced checksum."""
    announced = fingerprint_of(make_file("announced"))
    file = make_file("other")
    with pytest.raises(StoreError, match=f"{bench.minio.url} refused s3://{bucket}"):
        whole.create(bucket, "name", file, announced)
    assert bench.objects() == {}


def test_a_file_that_changes_between_its_parts_is_detected(in_parts, bench, make_file):
    """A multipart object with other bytes than announced is detected when it is read back."""
    file = make_file()

    def change(params, **_):
        if params["PartNumber"] == 1:
            file.write_bytes(os.urandom(2 * PART + 7))

    in_parts.client.meta.events.register("provide-client-params.s3.UploadPart", change)
    with pytest.raises(ObjectChangedError, match=f"s3://{bench.prefix}-raw/thing_"):
        store_file(in_parts, bench.prefix, KIND, file)


def test_a_part_that_fails_leaves_no_upload(bench, in_parts, bucket, make_file):
    """An upload that is interrupted between its parts leaves no object and no parts."""
    file = make_file()
    s3_client(bench.minio).create_bucket(Bucket=bucket)
    sent = []

    def break_off(params, **_):
        sent.append(params["PartNumber"])
        if len(sent) == 2:
            raise KeyboardInterrupt

    in_parts.client.meta.events.register("provide-client-params.s3.UploadPart", break_off)
    with pytest.raises(KeyboardInterrupt):
        in_parts.create(bucket, "name", file, fingerprint_of(file))
    assert sent == [1, 2]
    assert bench.objects() == {}
    assert unfinished_uploads(bench, bucket, "name") == []


def test_an_interrupt_is_raised_although_the_server_is_down(own_minio, make_file):
    """Ctrl-C during an upload stays Ctrl-C if MinIO is no longer there to drop the parts."""
    store = S3Store(s3_client(own_minio), put_limit=PART, part_bytes=PART)
    file = make_file()

    def break_off(**_):
        own_minio.kill()
        raise KeyboardInterrupt

    store.client.meta.events.register("provide-client-params.s3.UploadPart", break_off)
    with pytest.raises(KeyboardInterrupt):
        store.create("bucket", "name", file, fingerprint_of(file))


def test_a_missing_object_is_named(bench, whole, bucket, tmp_path):
    """Fetching or confirming it names the object and the server."""
    for ask in (lambda: whole.fingerprint(bucket, "name"), lambda: whole.fetch(bucket, "name", tmp_path / "copy")):
        with pytest.raises(ObjectMissingError, match=f"s3://{bucket}/name is missing from {bench.minio.url}"):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_a_server_killed_during_an_upload_has_no_object(own_minio, bench, make_file):
    """After a power failure between two parts the upload fails, and the restarted server has no object."""
    store = S3Store(s3_client(own_minio), put_limit=PART, part_bytes=PART)
    s3_client(own_minio).create_bucket(Bucket=bench.prefix)

    def cut(params, **_):
        if params["PartNumber"] == 2:
            own_minio.kill()

    store.client.meta.events.register("provide-client-params.s3.UploadPart", cut)
    file = make_file()
    with pytest.raises(StoreError, match=f"{own_minio.url} cannot be reached"):
        store.create(bench.prefix, "name", file, fingerprint_of(file))
    own_minio.start()
    assert s3_client(own_minio).list_objects_v2(Bucket=bench.prefix)["KeyCount"] == 0
    again = S3Store(s3_client(own_minio))
    assert again.create(bench.prefix, "name", file, fingerprint_of(file))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == again.fingerprint(bench.prefix, "name").sha256
