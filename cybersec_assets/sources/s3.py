"""A day's log files on an S3 server: how they are found, and how their bytes are had.

What is read is what was listed: every object is asked for with S3's `If-Match` and the ETag from the listing
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html), and botocore counts the bytes that come. What
belongs elsewhere: what is in a file (`flows.stage`, `flows.readers`), and the artifacts' own store (`stores.s3`).
"""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError
from wcmatch import glob

from cybersec_assets.errors import SettingsError, StoreError, UnreadableLogError
from cybersec_assets.sources.local import PATTERNS, STILL_WRITTEN, SourceFile
from cybersec_assets.stores.s3_connection import MISSING, S3Variables, code_of, translate_errors

CHANGED = {"PreconditionFailed", "412"}
PLACE = re.compile(r"s3://([A-Za-z0-9._-]{1,255})/(.+)", re.DOTALL)
STATIC = re.compile(r"[^*?\[\\]*")
"""What every name that matches a pattern begins with."""


class FlowBucket:
    """Log files on an S3 server.

    Args:
        client: A boto3 S3 client.
        variables: Which variables say how the server is reached.
    """

    def __init__(self, client: Any, variables: S3Variables) -> None:
        """Note the client; nothing is asked of the server yet."""
        self.client = client
        self.variables = variables

    def files(self, pattern: str) -> list[SourceFile]:
        """Find the objects that match a pattern, by name.

        Args:
            pattern: `s3://bucket/key`, the key with `*`, `?`, `[…]`, and `**` for folders at any depth.

        Raises:
            SettingsError: It names no bucket, or nothing in it.
            StoreError: The bucket is missing, or the server refuses or is away.
        """
        place = PLACE.fullmatch(pattern)
        if place is None:
            raise SettingsError(
                f"FLOWS_URI={pattern} names no objects in a bucket", "Give s3://bucket/key, only the key with * or ?"
            )
        bucket, keys = place.groups()
        matches = glob.compile(keys, flags=PATTERNS).match
        found = [entry for entry in self._entries(bucket, _prefix(keys)) if matches(entry["Key"])]
        return sorted((self._file(bucket, entry) for entry in found), key=lambda file: file.name)

    def _entries(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        """List the objects, page by page; what ends in `/` only marks a folder."""
        with self._translate_errors(f"s3://{bucket}"):
            try:
                for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                    yield from (entry for entry in page.get("Contents", []) if not entry["Key"].endswith("/"))
            except ClientError as error:
                if code_of(error) == "NoSuchBucket":
                    raise StoreError(
                        f"{self._server} has no bucket {bucket}", "Check FLOWS_URI and FLOWS_S3_ENDPOINT"
                    ) from error
                raise

    def _file(self, bucket: str, entry: dict[str, Any]) -> SourceFile:
        place = {"Bucket": bucket, "Key": entry["Key"], "IfMatch": entry["ETag"]}
        name, modified = f"s3://{bucket}/{entry['Key']}", entry["LastModified"].astimezone(dt.UTC)
        return SourceFile(name, entry["Size"], modified, partial(self._opened, name, place))

    @contextmanager
    def _opened(self, name: str, place: dict[str, str]) -> Iterator[BinaryIO]:
        with self._same(name):
            body = self.client.get_object(**place)["Body"]
        with closing(body):
            try:
                yield body
            except (BotoCoreError, HTTPError) as error:
                # A server that takes an object away cuts its readers off: that is the reason then, and to be told.
                with suppress(StoreError), self._same(name):
                    self.client.head_object(**place)
                raise StoreError(
                    f"{self._server} broke {name} off: {error}", "See that the server runs, then run the day again"
                ) from error

    @contextmanager
    def _same(self, name: str) -> Iterator[None]:
        """Tell what became of an object that is not as it was listed."""
        with self._translate_errors(name):
            try:
                yield
            except ClientError as error:
                if code_of(error) in MISSING:
                    raise UnreadableLogError(
                        f"{name} is gone from {self._server} since it was listed", "Restore it, or run the day again"
                    ) from error
                if code_of(error) in CHANGED:
                    raise UnreadableLogError(f"{name} changed while it was read", STILL_WRITTEN) from error
                raise

    def _translate_errors(self, what: str) -> AbstractContextManager[None]:
        return translate_errors(what, self._server, self.variables)

    @property
    def _server(self) -> str:
        return str(self.client.meta.endpoint_url)


def _prefix(keys: str) -> str:
    found = STATIC.match(keys)
    return found[0] if found else ""
