"""S3Store against servers that are not S3 or drop the connection: each raises a StoreError with a remedy."""

import base64
import hashlib
import socket
from threading import Thread

import boto3
import pytest
from botocore.config import Config

from cybersec_assets.artifact import fingerprint_of
from cybersec_assets.errors import ObjectMissingError, StoreError
from cybersec_assets.stores.s3 import S3Store
from cybersec_assets_tests.support.stores.http_servers import CONTENT, BreaksOff, Silent, serving

HASH = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()


class AlwaysOk(Silent):
    """Respond with 200 to every request, as some proxies do."""

    def do(self):
        """Send an empty response."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def store_at(url, **keys):
    """Return a store on a server that makes one attempt per request."""
    keys = keys or {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    return S3Store(boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config, **keys))


@pytest.fixture
def file(tmp_path):
    """A file to store."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def test_an_interrupted_download_leaves_no_file(tmp_path):
    with serving(BreaksOff) as url, pytest.raises(StoreError, match=f"{url} cannot be reached"):
        store_at(url).fetch("bucket", "name", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_read_back_is_an_error():
    with serving(BreaksOff) as url, pytest.raises(StoreError, match=f"{url} cannot be reached"):
        store_at(url).fingerprint("bucket", "name")


def test_an_interrupted_read_in_chunks_is_an_error():
    chunks = []
    with serving(BreaksOff) as url, pytest.raises(StoreError, match=f"{url} cannot be reached"):
        chunks.extend(store_at(url).chunks("bucket", "name"))
    assert b"".join(chunks) != CONTENT


def test_a_404_of_a_web_server_is_not_a_missing_object(file):
    """The error names MINIO_ENDPOINT, because the server is not an S3 server."""
    with serving(Silent) as url, pytest.raises(StoreError, match="MINIO_ENDPOINT") as caught:
        store_at(url).create("bucket", "name", file, fingerprint_of(file))
    assert not isinstance(caught.value, ObjectMissingError)
    assert url in str(caught.value)


def test_a_server_that_stores_nothing_returns_another_fingerprint(file):
    with serving(AlwaysOk) as url:
        store = store_at(url)
        assert store.create("bucket", "name", file, fingerprint_of(file))
        assert store.fingerprint("bucket", "name") != fingerprint_of(file)


def test_a_service_without_http_cannot_be_reached(file):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            connection, _ = server.accept()
            connection.sendall(b"E: not understood\n")
            connection.close()

        thread = Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(StoreError, match=f"{url} cannot be reached.*MINIO_ENDPOINT"):
            store_at(url).create("bucket", "name", file, fingerprint_of(file))
        thread.join()


def test_missing_keys_name_their_variables(file, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    store = store_at("http://127.0.0.1:9", aws_access_key_id=None)
    with pytest.raises(StoreError, match="Set MINIO_ACCESS_KEY and MINIO_SECRET_KEY"):
        store.create("bucket", "name", file, fingerprint_of(file))


def test_a_download_that_cannot_be_written_names_the_disk(tmp_path):

    class Whole(BreaksOff):
        length = len(CONTENT)

    with serving(Whole) as url, pytest.raises(StoreError, match=r"s3://bucket/name cannot be copied.*disk"):
        store_at(url).fetch("bucket", "name", tmp_path / "no folder" / "copy")


def test_a_checksum_of_the_whole_object_is_used_without_reading_it():
    class WithChecksum(Silent):
        def do(self):
            assert self.command == "HEAD"
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.send_header("x-amz-checksum-sha256", HASH)
            self.send_header("x-amz-checksum-type", "FULL_OBJECT")
            self.end_headers()

    with serving(WithChecksum) as url:
        found = store_at(url).fingerprint("bucket", "name")
    assert (found.size, found.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
