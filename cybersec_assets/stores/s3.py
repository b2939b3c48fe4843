"""An object store on an S3 server, such as MinIO.

Objects are created with S3's condition `If-None-Match: *`
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). `put_object` supports it up to 5 GB.
Larger files are uploaded in parts, and `complete_multipart_upload` has the condition. The checksum of a multipart
object is a checksum of checksums, so such an object is confirmed by reading it back.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cybersec_assets.artifact import Fingerprint, fingerprint_of_chunks
from cybersec_assets.errors import ObjectMissingError
from cybersec_assets.failpoints import Point, hit
from cybersec_assets.stores.base import CHUNK_BYTES, StoredObject
from cybersec_assets.stores.s3_connection import MINIO, MISSING, code_of, translate_errors

PUT_LIMIT = 4 * 1024**3
PART_BYTES = 256 * 1024**2
PAGE = 1000
FIRST_REGION = "us-east-1"
TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
BUCKET_EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


class S3Store:
    """Store objects on an S3 server.

    Args:
        client: A boto3 S3 client.
        put_limit: Files of more bytes are uploaded in parts.
        part_bytes: The size of a part, at least 5 MiB.

    Attributes:
        check_next_write: Called once with the store, the bucket and the name of the next object that is stored.
    """

    def __init__(self, client: Any, *, put_limit: int = PUT_LIMIT, part_bytes: int = PART_BYTES) -> None:
        self.client = client
        self.put_limit = put_limit
        self.part_bytes = part_bytes
        self.check_next_write: Callable[[S3Store, str, str], None] | None = None

    def create(self, bucket: str, name: str, file: Path, fingerprint: Fingerprint) -> bool:
        """Upload a file and return True, or return False if the name is taken."""
        with self.translate_errors(bucket):
            try:
                self._upload(bucket, name, file, fingerprint)
            except ClientError as error:
                if code_of(error) in TAKEN:
                    return False
                raise
        if self.check_next_write is not None:
            self.check_next_write(self, bucket, name)
            self.check_next_write = None
        return True

    def fingerprint(self, bucket: str, name: str) -> Fingerprint:
        """Return the server's size and checksum, or read the object if the checksum is not that of the whole object."""
        with self.translate_errors(bucket, name):
            head = self.client.head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")
            checksum = head.get("ChecksumSHA256")
            if checksum is None or head.get("ChecksumType") == "COMPOSITE" or "-" in checksum:
                return fingerprint_of_chunks(self.chunks(bucket, name))
            return Fingerprint(head["ContentLength"], base64.b64decode(checksum).hex())

    def fetch(self, bucket: str, name: str, to: Path) -> None:
        """Download the object into a file."""
        with self.translate_errors(bucket, name):
            self.client.download_file(bucket, name, str(to))

    def chunks(self, bucket: str, name: str) -> Iterator[bytes]:
        """Yield the object's bytes."""
        with self.translate_errors(bucket, name):
            yield from self.client.get_object(Bucket=bucket, Key=name)["Body"].iter_chunks(CHUNK_BYTES)

    def entries(
        self, bucket: str, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[StoredObject]:
        """Yield the bucket's objects, page by page."""
        paging = {"MaxItems": limit, "PageSize": min(limit or PAGE, PAGE)}
        with self.translate_errors(bucket):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, StartAfter=after, PaginationConfig=paging
            )
            try:
                for page in pages:
                    for found in page.get("Contents", []):
                        yield StoredObject(found["Key"], found["LastModified"])
            except ClientError as error:
                if code_of(error) != "NoSuchBucket":
                    raise

    def delete(self, bucket: str, name: str) -> None:
        """Delete the object."""
        with self.translate_errors(bucket, name):
            self.client.delete_object(Bucket=bucket, Key=name)

    def make_bucket(self, bucket: str) -> None:
        """Create the bucket if it is missing. The right to create buckets is needed only then."""
        with self.translate_errors(bucket):
            try:
                self.client.head_bucket(Bucket=bucket)
            except ClientError as error:
                if code_of(error) not in MISSING:
                    raise
                self._create_bucket(bucket)

    def _upload(self, bucket: str, name: str, file: Path, fingerprint: Fingerprint) -> None:
        upload = self._put if fingerprint.size <= self.put_limit else self._put_parts
        try:
            upload(bucket, name, file, fingerprint)
        except ClientError as error:
            if code_of(error) != "NoSuchBucket":
                raise
            self._create_bucket(bucket)
            upload(bucket, name, file, fingerprint)

    def _put(self, bucket: str, name: str, file: Path, fingerprint: Fingerprint) -> None:
        checksum = base64.b64encode(bytes.fromhex(fingerprint.sha256)).decode()
        with file.open("rb") as body:
            self.client.put_object(Bucket=bucket, Key=name, Body=body, ChecksumSHA256=checksum, IfNoneMatch="*")

    def _put_parts(self, bucket: str, name: str, file: Path, _fingerprint: Fingerprint) -> None:
        upload = {"Bucket": bucket, "Key": name}
        upload["UploadId"] = self.client.create_multipart_upload(**upload, ChecksumAlgorithm="SHA256")["UploadId"]
        try:
            parts = list(self._upload_parts(upload, file))
            self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
        except BaseException:
            # The original error is the one to report, even if the upload cannot be aborted.
            with suppress(ClientError, BotoCoreError):
                self.client.abort_multipart_upload(**upload)
            raise

    def _upload_parts(self, upload: dict[str, str], file: Path) -> Iterator[dict[str, Any]]:
        with file.open("rb") as stream:
            for number, part in enumerate(iter(lambda: stream.read(self.part_bytes), b""), start=1):
                sent = self.client.upload_part(**upload, PartNumber=number, Body=part, ChecksumAlgorithm="SHA256")
                hit(Point.PART_UPLOADED)
                yield {"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]}

    def _create_bucket(self, bucket: str) -> None:
        try:
            self.client.create_bucket(Bucket=bucket, **self._location())
        except ClientError as error:
            if code_of(error) not in BUCKET_EXISTS:
                raise

    def _location(self) -> dict[str, Any]:
        """Return the arguments for the bucket's region, which S3 requires in every region but its first."""
        region = self.client.meta.region_name
        return {} if region == FIRST_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}

    @contextmanager
    def translate_errors(self, bucket: str, name: str = "") -> Iterator[None]:
        """Turn boto3's errors into StoreErrors that name the object."""
        what = f"s3://{bucket}/{name}".rstrip("/")
        server = self.client.meta.endpoint_url
        with translate_errors(what, server, MINIO):
            try:
                yield
            except ClientError as error:
                if name and code_of(error) in MISSING:
                    raise ObjectMissingError(f"{what} is missing from {server}", "Restore it from a backup") from error
                raise
