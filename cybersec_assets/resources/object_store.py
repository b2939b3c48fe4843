"""The object store as a Dagster resource: an S3 server where an endpoint is given, folders where none is."""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from cybersec_assets.errors import StoreError
from cybersec_assets.stores.base import ObjectStore
from cybersec_assets.stores.folder import FolderStore

MAX_ATTEMPTS = 3


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

    @property
    def folder(self) -> Path | None:
        """Where objects lie on this machine; None for an S3 server."""
        return None if self.endpoint else Path(self.home).resolve() / "store"

    @property
    def location(self) -> str:
        """Say where objects lie, for people."""
        return str(self.folder or self._url())

    def open(self) -> ObjectStore:
        """Give the store, made at the first call; its first use talks to the server.

        Raises:
            StoreError: The settings make no client.
        """
        self._opened = self._opened or self._make()
        return self._opened

    def _make(self) -> ObjectStore:
        if self.folder is not None:
            return FolderStore(self.folder)
        # boto3 and dagster-aws take seconds to import, which only S3 users should pay.
        from botocore.exceptions import BotoCoreError

        from cybersec_assets.resources.s3_client import MinioResource
        from cybersec_assets.stores.s3 import S3Store

        resource = MinioResource(
            endpoint_url=self._url(),
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            max_attempts=MAX_ATTEMPTS,
            ca_file=self.ca_file,
        )
        try:
            return S3Store(resource.get_client())
        except (BotoCoreError, ValueError, OSError) as error:
            raise StoreError(
                f"no client for {self._url()}: {error}",
                "Check MINIO_ENDPOINT, MINIO_ACCESS_KEY, MINIO_SECRET_KEY and MINIO_CA_FILE",
            ) from error

    def _url(self) -> str:
        endpoint = str(self.endpoint)
        return endpoint if "://" in endpoint else f"{'https' if self.secure else 'http'}://{endpoint}"
