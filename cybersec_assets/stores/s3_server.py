"""An S3 server, and who asks it: where the artifacts are kept, or where the flow logs are."""

from dataclasses import dataclass, field
from typing import Any

from cybersec_assets.errors import StoreError
from cybersec_assets.stores.s3_variables import S3Variables

MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class S3Server:
    """How an S3 server is reached.

    Attributes:
        endpoint: Its `host:port` or URL.
        secure: TLS, where the endpoint names no scheme.
        region: The S3 region.
        access_key: The access key; without one boto3 looks where it always does.
        secret_key: The secret key.
        ca_file: Certificates that the server's is checked against.
        variables: Where all that was set.
    """

    endpoint: str
    secure: bool
    region: str
    access_key: str | None = field(repr=False)
    secret_key: str | None = field(repr=False)
    ca_file: str | None
    variables: S3Variables

    @property
    def url(self) -> str:
        """Give the endpoint with a scheme."""
        return self.endpoint if "://" in self.endpoint else f"{'https' if self.secure else 'http'}://{self.endpoint}"

    def client(self) -> Any:
        """Make a boto3 S3 client; nothing is asked of the server yet.

        Raises:
            StoreError: The settings make no client.
        """
        # boto3 and dagster-aws take seconds to import, which only S3 users should pay.
        from botocore.exceptions import BotoCoreError

        from cybersec_assets.stores.s3_client import MinioResource

        resource = MinioResource(
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            max_attempts=MAX_ATTEMPTS,
            ca_file=self.ca_file,
        )
        try:
            return resource.get_client()
        except (BotoCoreError, ValueError, OSError) as error:
            raise StoreError(
                f"no client for {self.url}: {error}",
                f"Check {self.variables.endpoint}, {self.variables.keys}, and MINIO_CA_FILE",
            ) from error
