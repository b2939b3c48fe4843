"""dagster-aws's S3 resource, with a CA file of its own beside it, and less patience."""

from typing import Any

import boto3
from botocore.config import Config
from dagster_aws.s3 import S3Resource
from pydantic import Field

CONNECT_SECONDS = 2
"""For each attempt; boto3 itself waits a minute for a server that does not answer."""
MAX_CONNECTIONS = 16
"""As many as write at once in `cybersec stores check`; urllib3 warns of more."""


class MinioResource(S3Resource):
    """S3Resource, whose `verify` takes no path, for servers with a certificate from a private CA."""

    ca_file: str | None = Field(None, description="Certificates that the server's is checked against.")

    def get_client(self) -> Any:
        """Give a boto3 S3 client."""
        retries = {"mode": "standard", "max_attempts": self.max_attempts}
        return boto3.session.Session().client(
            "s3",
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            verify=self.ca_file,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            config=Config(connect_timeout=CONNECT_SECONDS, retries=retries, max_pool_connections=MAX_CONNECTIONS),
        )
