"""What an S3 server refuses, and what to do about it: boto3's errors as StoreErrors, for whoever talks to a server.

What a missing object means is not told here: that depends on who asks for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, SSLError

from cybersec_assets.errors import StoreError
from cybersec_assets.stores.s3_variables import S3Variables

MISSING = {"NoSuchKey", "NoSuchBucket", "404"}


@contextmanager
def translate_errors(what: str, server: str, variables: S3Variables) -> Iterator[None]:
    """Turn what boto3 raises into an error that names the object and says what to do.

    Args:
        what: The object or bucket, as a URL.
        server: The server's URL.
        variables: Which variables to look at.
    """
    try:
        yield
    except ClientError as error:
        raise StoreError(f"{server} refused {what}: {_said(error)}", _remedy(code_of(error), variables)) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StoreError(f"{server} asks for keys: {error}", f"Set {variables.keys}") from error
    except SSLError as error:
        raise StoreError(
            f"{server} does not prove who it is: {error}", "Check MINIO_CA_FILE and MINIO_SECURE"
        ) from error
    except (BotoCoreError, Boto3Error, ConnectionError) as error:
        raise StoreError(
            f"{server} cannot be reached: {error}",
            f"Check {variables.endpoint}, MINIO_SECURE and that the server runs",
        ) from error
    except OSError as error:
        raise StoreError(f"{what} cannot be copied: {error}", "Check the disk and its permissions") from error


def code_of(error: ClientError) -> str:
    """Give the code that S3 has for an error, or the HTTP status where the answer says no more."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _said(error: ClientError) -> str:
    return f"{code_of(error)} {error.response.get('Error', {}).get('Message', '')}".strip(" .")


def _remedy(code: str, variables: S3Variables) -> str:
    if code in {"InvalidAccessKeyId", "SignatureDoesNotMatch"}:
        return f"Check {variables.keys}"
    if code == "AccessDenied":
        return variables.rights
    if code == "403":
        # The answer to HEAD has no room for more: this may be a wrong key as well.
        return f"Check {variables.keys}. {variables.rights}"
    if code.isdigit() or code in MISSING:
        return f"Check that {variables.endpoint} and MINIO_SECURE name an S3 server, and read its log"
    return "Look up the code in the server's log"
