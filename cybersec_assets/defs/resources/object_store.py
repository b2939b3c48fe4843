"""The object store as a Dagster resource: an S3 server where an endpoint is given, folders where none is."""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from cybersec_assets.defs.resources.tried_servers import TriedServers
from cybersec_assets.stores.base import ObjectStore
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets.stores.s3_connection import MINIO, S3Server

BUCKET = "raw"
"""The bucket in which a server is tried, after the prefix."""


class ObjectStoreResource(dg.ConfigurableResource[Any]):
    """Where artifacts are kept."""

    home: str = Field(".cybersec", description="Below which folder objects lie where no endpoint is given.")
    bucket_prefix: str = Field("cybersec-ml", description="What the four buckets' names begin with.")
    endpoint: str | None = Field(None, description="`host:port` or URL of the S3 server.")
    secure: bool = Field(default=False, description="TLS, where the endpoint names no scheme.")
    region: str = Field("us-east-1", description="The S3 region.")
    access_key: str | None = Field(None, description="The S3 access key.")
    secret_key: str | None = Field(None, description="The S3 secret key.")
    ca_file: str | None = Field(None, description="Certificates that the server's is checked against.")
    _opened: ObjectStore | None = PrivateAttr(default=None)
    _is_tried: bool = PrivateAttr(default=False)

    @property
    def folder(self) -> Path | None:
        """Where objects lie on this machine; None for an S3 server."""
        return None if self.endpoint else Path(self.home).resolve() / "store"

    @property
    def location(self) -> str:
        """Say where objects lie, for people."""
        return str(self.folder or self.server.url)

    def open(self) -> ObjectStore:
        """Give the store, made at the first call; its first use talks to the server.

        Raises:
            StoreError: The settings make no client.
        """
        self._opened = self._opened or self._make()
        return self._opened

    def require_conditional_writes(self) -> None:
        """Check that the S3 server lets nobody overwrite an object, at the first call and not within a day of another.

        Nothing is checked of a folder. Where the key may not delete the check's own object, the first artifact that is
        stored is the check's.

        Raises:
            UnsafeStoreError: The server ignores `If-None-Match`, or does not know it.
            StoreError: The server refuses, or is away.
        """
        if self.folder is not None or self._is_tried:
            return
        tried = TriedServers(Path(self.home))
        bucket = f"{self.bucket_prefix}-{BUCKET}"
        place = f"{self.server.url}/{bucket}"
        if place not in tried:
            from cybersec_assets.stores.s3 import S3Store
            from cybersec_assets.stores.s3_conditions import require_conditions

            store = self.open()
            if isinstance(store, S3Store):
                if require_conditions(store, bucket):
                    tried.add(place)
                else:
                    store.tries_next_write = True
        self._is_tried = True

    @property
    def server(self) -> S3Server:
        """Tell how the S3 server is reached, where an endpoint is given."""
        return S3Server(
            str(self.endpoint), self.secure, self.region, self.access_key, self.secret_key, self.ca_file, MINIO
        )

    def _make(self) -> ObjectStore:
        if self.folder is not None:
            return FolderStore(self.folder)
        # boto3 takes seconds to import, which only S3 users should pay.
        from cybersec_assets.stores.s3 import S3Store

        return S3Store(self.server.client())
