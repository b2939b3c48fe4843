"""The object store as a Dagster resource: an S3 server where an endpoint is given, folders where none is."""

from pathlib import Path

from cybersec_assets import phases
from cybersec_assets.defs.resources.tried_servers import TriedServers
from cybersec_assets.settings import StoreSettings, reveal
from cybersec_assets.stores.base import ObjectStore
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets.stores.s3_connection import MINIO, S3Server


class ObjectStoreResource:
    """Where artifacts are stored."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self._store: ObjectStore | None = None
        self._is_tried = False

    @property
    def bucket_prefix(self) -> str:
        """The prefix of the buckets' names."""
        return self.settings.bucket_prefix

    @property
    def folder(self) -> Path | None:
        """The folder of the objects on this machine; None for an S3 server."""
        return None if self.settings.endpoint else self.settings.home.resolve() / "store"

    @property
    def location(self) -> str:
        """The folder or URL of the objects, for people."""
        return str(self.folder or self.server.url)

    @property
    def server(self) -> S3Server:
        """The S3 server; only valid if an endpoint is set."""
        return S3Server(
            endpoint=str(self.settings.endpoint),
            secure=self.settings.secure,
            region=self.settings.region,
            access_key=self.settings.access_key or None,
            secret_key=reveal(self.settings.secret_key),
            ca_file=str(self.settings.ca_file) if self.settings.ca_file else None,
            variables=MINIO,
        )

    def open(self) -> ObjectStore:
        """Return the store, which is created at the first call; its first use connects to the server.

        Raises:
            StoreError: The settings are invalid.
        """
        if self._store is None:
            if self.folder is not None:
                self._store = FolderStore(self.folder)
            else:
                # boto3 takes seconds to import, which only S3 users should pay.
                from cybersec_assets.stores.s3 import S3Store

                self._store = S3Store(self.server.client())
        return self._store

    def require_conditional_writes(self) -> None:
        """Check that no client can overwrite an object on the S3 server.

        The check is made at the first call, and not if a process with the same home made it within a day. Folders need
        no check. If the key may not delete the check's own object, the first artifact that is stored is the check.

        Raises:
            UnsafeStoreError: The server ignores or does not support `If-None-Match`.
            StoreError: The server refuses a request or cannot be reached.
        """
        if self.folder is not None or self._is_tried:
            return
        tried = TriedServers(self.settings.home)
        bucket = f"{self.bucket_prefix}-{phases.RAW.bucket}"
        place = f"{self.server.url}/{bucket}"
        if place not in tried:
            from cybersec_assets.stores.s3 import S3Store
            from cybersec_assets.stores.s3_conditions import require_conditions, require_refusals

            store = self.open()
            if isinstance(store, S3Store):
                if require_conditions(store, bucket):
                    tried.add(place)
                else:
                    store.check_next_write = require_refusals
        self._is_tried = True
