"""Interrupted transfers: half of an object is never read as the whole."""

import boto3
import pytest
from botocore.config import Config

from cybersec_assets.errors import StoreError, UnreadableLogError
from cybersec_assets.flows.staging import stage
from cybersec_assets.sources.s3 import FlowBucket
from cybersec_assets.stores.s3_connection import MINIO
from cybersec_assets_tests.support.stores.http_servers import CONTENT, BreaksOff, serving

LISTING = f"""<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Contents><Key>conn.log</Key>
<LastModified>2026-01-03T00:00:00Z</LastModified><ETag>"1"</ETag><Size>{len(CONTENT)}</Size></Contents>
</ListBucketResult>""".encode()


class Half(BreaksOff):
    """List an object, send half of it, and answer HEAD with `state`."""

    state = 200

    def do(self):
        """Respond to a request. Only requests with the listed ETag find the object."""
        if "list-type" in self.path:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(LISTING)
        elif self.headers["If-Match"] != '"1"':
            self.send_error(400)
        elif self.command == "HEAD":
            self.send_response(self.state)
            self.end_headers()
        else:
            super().do()


def file_on(url):
    """Return the only file of a server. Requests are not retried."""
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config, **keys)
    (file,) = FlowBucket(client, MINIO).files("s3://logs/*.log")
    return file


OUTCOMES = {
    200: (StoreError, "{url} broke off the transfer of s3://logs/conn.log: .*Check that the server is running"),
    404: (UnreadableLogError, "s3://logs/conn.log is gone from {url} since it was listed. Restore it"),
    412: (UnreadableLogError, "s3://logs/conn.log changed while it was read. Wait until its writer"),
    503: (StoreError, "{url} broke off the transfer of s3://logs/conn.log: "),
}


@pytest.mark.parametrize("state", OUTCOMES)
def test_an_interrupted_transfer_is_an_error_with_its_reason(tmp_path, state):
    error, message = OUTCOMES[state]
    half = type("Half", (Half,), {"state": state})
    with serving(half) as url, pytest.raises(error, match=f"^{message.format(url=url)}"):
        stage(file_on(url), tmp_path / "copy")


def test_a_whole_object_is_read(tmp_path):
    """The server of the other tests works when it sends everything."""
    with serving(type("Whole", (Half,), {"length": len(CONTENT)})) as url:
        log = stage(file_on(url), tmp_path / "copy")
    assert (log.path.read_bytes(), log.fingerprint.size) == (CONTENT, len(CONTENT))


def test_an_error_of_the_caller_is_not_reported_as_the_servers():
    with serving(Half) as url, pytest.raises(OSError, match=r"^full$"), file_on(url).open():
        raise OSError("full")
