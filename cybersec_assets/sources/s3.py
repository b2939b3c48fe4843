"""Find log files on an S3 server and open them.

The objects that are read are the objects that were listed: every request carries the ETag of the listing in
`If-Match` (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html), and botocore checks the number of
bytes. The store of the artifacts is in `stores.s3`.
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
from cybersec_assets.sources.base import PATTERN_FLAGS, SourceFile, changed
from cybersec_assets.stores.s3_connection import MISSING, S3Variables, code_of, translate_errors

CHANGED = {"PreconditionFailed", "412"}
LOCATION = re.compile(r"s3://([A-Za-z0-9._-]{1,255})/(.+)", re.DOTALL)
LITERAL_PREFIX = re.compile(r"[^*?\[\\]*")
"""The part of a pattern before its first special character; every match begins with it."""


class FlowBucket:
    """Log files on an S3 server.

    Args:
        client: A boto3 S3 client.
        variables: The variables that configure the server, for messages.
    """

    def __init__(self, client: Any, variables: S3Variables) -> None:
        self.client = client
        self.variables = variables

    def files(self, pattern: str) -> list[SourceFile]:
        """Return the objects that match a pattern, sorted by name.

        Args:
            pattern: `s3://bucket/key`, the key with `*`, `?`, `[…]`, and `**` for folders at any depth.

        Raises:
            SettingsError: The pattern has no bucket or no key.
            StoreError: The bucket is missing, or the server refuses the request or cannot be reached.
        """
        location = LOCATION.fullmatch(pattern)
        if location is None:
            raise SettingsError(
                f"FLOWS_URI={pattern} names no objects in a bucket",
                "Use s3://bucket/key, with * and ? only in the key",
            )
        bucket, keys = location.groups()
        prefix = LITERAL_PREFIX.match(keys)
        matches = glob.compile(keys, flags=PATTERN_FLAGS).match
        found = [entry for entry in self._entries(bucket, prefix[0] if prefix else "") if matches(entry["Key"])]
        return sorted((self._file(bucket, entry) for entry in found), key=lambda file: file.name)

    def _entries(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Yield the listed objects, page by page, without the `…/` objects that mark folders."""
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
        request = {"Bucket": bucket, "Key": entry["Key"], "IfMatch": entry["ETag"]}
        name = f"s3://{bucket}/{entry['Key']}"
        modified = entry["LastModified"].astimezone(dt.UTC)
        return SourceFile(name, entry["Size"], modified, partial(self._opened, name, request))

    @contextmanager
    def _opened(self, name: str, request: dict[str, str]) -> Iterator[BinaryIO]:
        with self._require_unchanged(name):
            body = self.client.get_object(**request)["Body"]
        with closing(body):
            try:
                yield body
            except (BotoCoreError, HTTPError) as error:
                # A server breaks the transfer when the object is deleted or replaced. Report that instead.
                with suppress(StoreError), self._require_unchanged(name):
                    self.client.head_object(**request)
                raise StoreError(
                    f"{self._server} broke off the transfer of {name}: {error}",
                    "Check that the server is running, then run the day again",
                ) from error

    @contextmanager
    def _require_unchanged(self, name: str) -> Iterator[None]:
        """Raise UnreadableLogError if the request finds the object gone or changed since it was listed."""
        with self._translate_errors(name):
            try:
                yield
            except ClientError as error:
                if code_of(error) in MISSING:
                    raise UnreadableLogError(
                        f"{name} is gone from {self._server} since it was listed", "Restore it, or run the day again"
                    ) from error
                if code_of(error) in CHANGED:
                    raise changed(name) from error
                raise

    def _translate_errors(self, what: str) -> AbstractContextManager[None]:
        return translate_errors(what, self._server, self.variables)

    @property
    def _server(self) -> str:
        return str(self.client.meta.endpoint_url)
