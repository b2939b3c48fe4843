"""The connection to an S3 server: where the server is, the boto3 client, and its errors as StoreErrors.

boto3 is imported when a client is made, because only users of S3 should wait for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cybersec_assets.errors import StoreError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

MAX_ATTEMPTS = 3
CONNECT_SECONDS = 2
"""The time-out of each attempt; boto3's default is a minute."""
MAX_CONNECTIONS = 16
"""As many as write at once in `cybersec stores check`; urllib3 warns if there are more."""
MISSING = {"NoSuchKey", "NoSuchBucket", "404"}
RIGHTS = "Grant the key s3:PutObject, s3:GetObject, s3:ListBucket and s3:CreateBucket on the four buckets"


@dataclass(frozen=True)
class S3Variables:
    """The environment variables that configure a connection. Error messages name them.

    Attributes:
        endpoint: The variable with the server's address.
        keys: The variables with the keys, in words.
        rights: How to grant the key the rights that it needs, as an imperative.
    """

    endpoint: str
    keys: str
    rights: str


MINIO = S3Variables("MINIO_ENDPOINT", "MINIO_ACCESS_KEY and MINIO_SECRET_KEY", RIGHTS)
"""The variables of the store of the artifacts."""


@dataclass(frozen=True)
class S3Server:
    """How to reach an S3 server.

    Attributes:
        endpoint: Its `host:port` or URL.
        secure: Use TLS if the endpoint has no scheme.
        region: The S3 region.
        access_key: The access key. If None, boto3 searches its usual places.
        secret_key: The secret key.
        ca_file: The CA certificates that the server's certificate is checked against.
        variables: The environment variables that set all this.
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
        """Return the endpoint with a scheme."""
        return self.endpoint if "://" in self.endpoint else f"{'https' if self.secure else 'http'}://{self.endpoint}"

    def client(self) -> Any:
        """Return a new boto3 S3 client, without connecting to the server.

        Raises:
            StoreError: A setting is invalid.
        """
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            retries={"mode": "standard", "max_attempts": MAX_ATTEMPTS},
            max_pool_connections=MAX_CONNECTIONS,
        )
        try:
            return boto3.session.Session().client(
                "s3",
                region_name=self.region,
                endpoint_url=self.url,
                verify=self.ca_file,
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret_key,
                config=config,
            )
        except (BotoCoreError, ValueError, OSError) as error:
            raise StoreError(
                f"no client for {self.url}: {error}",
                f"Check {self.variables.endpoint}, {self.variables.keys}, and MINIO_CA_FILE",
            ) from error


@contextmanager
def translate_errors(what: str, server: str, variables: S3Variables) -> Iterator[None]:
    """Turn boto3's errors into StoreErrors. The caller handles missing objects.

    Args:
        what: The URL of the object or bucket.
        server: The server's URL.
        variables: The environment variables that the remedy names.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
        SSLError,
    )

    try:
        yield
    except ClientError as error:
        code = code_of(error)
        message = f"{code} {error.response.get('Error', {}).get('Message', '')}".strip(" .")
        raise StoreError(f"{server} refused {what}: {message}", _remedy(code, variables)) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StoreError(f"{server} requires keys: {error}", f"Set {variables.keys}") from error
    except SSLError as error:
        raise StoreError(
            f"the TLS handshake with {server} failed: {error}", "Check MINIO_CA_FILE and MINIO_SECURE"
        ) from error
    except (BotoCoreError, Boto3Error, ConnectionError) as error:
        raise StoreError(
            f"{server} cannot be reached: {error}",
            f"Check {variables.endpoint}, MINIO_SECURE and that the server runs",
        ) from error
    except OSError as error:
        raise StoreError(f"{what} cannot be copied: {error}", "Check the disk and its permissions") from error


def code_of(error: "ClientError") -> str:
    """Return S3's code of an error, or the HTTP status if the response has no code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _remedy(code: str, variables: S3Variables) -> str:
    if code in {"InvalidAccessKeyId", "SignatureDoesNotMatch"}:
        return f"Check {variables.keys}"
    if code == "AccessDenied":
        return variables.rights
    if code == "403":
        # The response to HEAD has no body, so the cause may also be an invalid key.
        return f"Check {variables.keys}. {variables.rights}"
    if code.isdigit() or code in MISSING:
        return f"Check that {variables.endpoint} and MINIO_SECURE name an S3 server, and read its log"
    return "Look up the code in the server's log"
