"""Check that an S3 server supports the condition `If-None-Match: *`, which keeps artifacts immutable.

Some S3 gateways accept the header and ignore it, so that a second writer replaces the first writer's object. The check
writes to names under `checks/`, which no artifact uses, and deletes them.
"""

import base64
import hashlib
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import compress
from threading import Barrier
from typing import Any

from botocore.exceptions import ClientError

from cybersec_assets.errors import StoreError, UnsafeStoreError
from cybersec_assets.stores.base import CHECKS
from cybersec_assets.stores.s3 import TAKEN, S3Store
from cybersec_assets.stores.s3_connection import code_of

WRITERS = 16
UNKNOWN = {"NotImplemented", "501"}
DENIED = {"AccessDenied", "403"}
Finish = Callable[[], None]
Start = Callable[[Any, dict[str, str], bytes], Finish]
"""Prepare a conditional write, and return the function that completes it."""


def require_conditions(store: S3Store, bucket: str) -> bool:
    """Write to one name twice, with each write method, and require that the server refuses the second write.

    Args:
        store: The store.
        bucket: A bucket of artifacts. It is created if it is missing.

    Returns:
        Whether the server was checked. Nothing is written if the key may not delete objects, because the check's
        object would remain.

    Raises:
        UnsafeStoreError: The server ignores or does not support the condition.
        StoreError: The server refuses, or cannot be reached.
    """
    if not _may_delete(store, bucket):
        return False
    with _own_object(store, bucket) as name:
        target = {"Bucket": bucket, "Key": name}
        _write(store, _put, target, b"1")
        require_refusals(store, bucket, name)
    return True


def require_refusals(store: S3Store, bucket: str, name: str) -> None:
    """Require that the server refuses to write to a name that is taken, with each write method.

    Raises:
        UnsafeStoreError: The server replaced the object.
    """
    for method, start in WRITE_METHODS.items():
        if _write(store, start, {"Bucket": bucket, "Key": name}, b"2"):
            raise _unsafe(store, f"{method} replaced an object")


def require_one_winner(store: S3Store, bucket: str, writers: int = WRITERS) -> None:
    """Run concurrent writers of one name, with each write method, and require that exactly one succeeds.

    Raises:
        UnsafeStoreError: No writer or several writers succeeded.
        StoreError: The object has another writer's bytes, or the server refuses or cannot be reached.
    """
    for method, start in WRITE_METHODS.items():
        with _own_object(store, bucket) as name:
            won = _race(store, start, {"Bucket": bucket, "Key": name}, writers)
            if len(won) != 1:
                raise _unsafe(store, f"{len(won)} of {writers} writers of one name succeeded with {method}")
            (content,) = won
            if b"".join(store.chunks(bucket, name)) != content:
                raise StoreError(
                    f"s3://{bucket}/{name} is not what the only successful writer wrote with {method}",
                    "Read the log of the object store",
                )


def _race(store: S3Store, start: Start, target: dict[str, str], writers: int) -> list[bytes]:
    """Return the contents of the writers that the server reported as successful."""
    contents = [f"writer {number}".encode() for number in range(writers)]
    with store.translate_errors(target["Bucket"]):
        finishes = [start(store.client, target, content) for content in contents]
    barrier = Barrier(writers)

    def write(finish: Finish) -> bool:
        barrier.wait()
        return _is_written(store, target["Bucket"], finish)

    with ThreadPoolExecutor(writers) as pool:
        return list(compress(contents, pool.map(write, finishes)))


def _write(store: S3Store, start: Start, target: dict[str, str], content: bytes) -> bool:
    """Write if the name is free, and return whether the server wrote."""
    with store.translate_errors(target["Bucket"]):
        finish = start(store.client, target, content)
    return _is_written(store, target["Bucket"], finish)


def _is_written(store: S3Store, bucket: str, finish: Finish) -> bool:
    with store.translate_errors(bucket):
        try:
            finish()
        except ClientError as error:
            if code_of(error) in UNKNOWN:
                raise _unsafe(store, f"it responded with {code_of(error)}") from error
            if code_of(error) not in TAKEN:
                raise
            return False
    return True


def _put(client: Any, target: dict[str, str], content: bytes) -> Finish:
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return lambda: client.put_object(**target, Body=content, ChecksumSHA256=checksum, IfNoneMatch="*")


def _put_part(client: Any, target: dict[str, str], content: bytes) -> Finish:
    upload = target | {"UploadId": client.create_multipart_upload(**target, ChecksumAlgorithm="SHA256")["UploadId"]}
    sent = client.upload_part(**upload, PartNumber=1, Body=content, ChecksumAlgorithm="SHA256")
    part = {"PartNumber": 1, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]}

    def complete() -> None:
        try:
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]}, IfNoneMatch="*")
        except ClientError:
            # The key may not have the right to abort, which nothing else needs.
            with suppress(ClientError):
                client.abort_multipart_upload(**upload)
            raise

    return complete


WRITE_METHODS: dict[str, Start] = {"PutObject": _put, "CompleteMultipartUpload": _put_part}
"""The two methods that write artifacts, by their names in S3."""


def _may_delete(store: S3Store, bucket: str) -> bool:
    """Return whether the key may delete objects, by deleting an unused name. Create the bucket if it is missing."""
    target = {"Bucket": bucket, "Key": f"{CHECKS}{uuid.uuid4()}"}
    with store.translate_errors(bucket):
        try:
            store.client.delete_object(**target)
        except ClientError as error:
            if code_of(error) in DENIED:
                return False
            if code_of(error) != "NoSuchBucket":
                raise
            store.make_bucket(bucket)
            return _may_delete(store, bucket)
    return True


@contextmanager
def _own_object(store: S3Store, bucket: str) -> Iterator[str]:
    """Yield a unique name, and delete its object at the end if the key may."""
    name = f"{CHECKS}{uuid.uuid4()}"
    try:
        yield name
    finally:
        with suppress(StoreError):
            store.delete(bucket, name)


def _unsafe(store: S3Store, how: str) -> UnsafeStoreError:
    return UnsafeStoreError(
        f"{store.client.meta.endpoint_url} does not support S3's condition If-None-Match: {how}",
        "Use a server that does, such as MinIO or AWS S3, because on this one artifacts could be overwritten",
    )
