"""dagster-aws's S3 resource, with a CA file of its own beside it."""

from typing import Any

from dagster_aws.s3 import S3Resource
from dagster_aws.s3.utils import construct_s3_client
from pydantic import Field


class MinioResource(S3Resource):
    """S3Resource, whose `verify` takes no path, for servers with a certificate from a private CA."""

    ca_file: str | None = Field(None, description="Certificates that the server's is checked against.")

    def get_client(self) -> Any:
        """Give a boto3 S3 client."""
        if self.ca_file is None:
            return super().get_client()
        return construct_s3_client(
            max_attempts=self.max_attempts,
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            verify=self.ca_file,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
        )
