"""A bucket of flow logs on a real MinIO."""

import uuid

from cybersec_assets.sources.s3 import FlowBucket
from cybersec_assets.stores.s3_connection import MINIO
from cybersec_assets_tests.support.servers.workbench import s3_client


class LogBucket:
    """A bucket of logs and its server."""

    def __init__(self, minio):
        self.minio = minio
        self.name = f"logs-{uuid.uuid4().hex}"
        self.client = s3_client(minio)
        self.client.create_bucket(Bucket=self.name)

    def put(self, key, content):
        """Store an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def delete(self, key):
        """Delete an object, over a separate connection."""
        s3_client(self.minio).delete_object(Bucket=self.name, Key=key)

    def files(self, pattern):
        """List objects as the product does."""
        return FlowBucket(s3_client(self.minio), MINIO).files(f"s3://{self.name}/{pattern}")
