"""S3Store against servers that are no S3, or break off: each ends in one StoreError that says what to check."""

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


class Welcoming(Silent):
    """Say yes to everything, as some proxies do."""

    def do(self):
        """Send nothing."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def store_at(url, **keys):
    """Give a store on a server, that asks it once."""
    keys = keys or {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    return S3Store(boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config, **keys))


@pytest.fixture
def file(tmp_path):
    """A file to store."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def test_a_download_that_breaks_off_leaves_no_file(tmp_path):
    """A server that goes away amid a download gives a StoreError that names it, and no file."""
    with serving(BreaksOff) as url, pytest.raises(StoreError, match=f"{url} cannot be reached"):
        store_at(url).fetch("bucket", "name", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_read_back_that_breaks_off_is_no_fingerprint():
    """A server that goes away while an object is read back gives a StoreError that names it."""
    with serving(BreaksOff) as url, pytest.raises(StoreError, match=f"{url} cannot be reached"):
        store_at(url).fingerprint("bucket", "name")


def test_a_reading_that_breaks_off_ends_in_an_error():
    """Whoever reads an object piece by piece hears that it broke off, and does not take what came for the whole."""
    pieces = []
    with serving(BreaksOff) as url, pytest.raises(StoreError, match=f"{url} cannot be reached"):
        pieces.extend(store_at(url).chunks("bucket", "name"))
    assert b"".join(pieces) != CONTENT


def test_a_web_server_that_knows_no_buckets_is_no_lost_object(file):
    """Storing on something that is no S3 server does not speak of a lost object, but of MINIO_ENDPOINT."""
    with serving(Silent) as url, pytest.raises(StoreError, match="MINIO_ENDPOINT") as caught:
        store_at(url).create("bucket", "name", file, fingerprint_of(file))
    assert not isinstance(caught.value, ObjectMissingError)
    assert url in str(caught.value)


def test_a_server_that_says_yes_to_everything_is_found_out(file):
    """What a server that stores nothing calls stored has another fingerprint than what was sent."""
    with serving(Welcoming) as url:
        store = store_at(url)
        assert store.create("bucket", "name", file, fingerprint_of(file))
        assert store.fingerprint("bucket", "name") != fingerprint_of(file)


def test_a_server_that_speaks_no_http(file):
    """A port of some other service, which hangs up, is told as a server that cannot be reached."""
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


def test_keys_that_are_not_set_are_asked_for(file, monkeypatch):
    """Without credentials the error names the variables that give them, and blames no server."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    store = store_at("http://127.0.0.1:9", aws_access_key_id=None)
    with pytest.raises(StoreError, match="Set MINIO_ACCESS_KEY and MINIO_SECRET_KEY"):
        store.create("bucket", "name", file, fingerprint_of(file))


def test_a_copy_that_the_disk_refuses_is_the_disks_fault(tmp_path):
    """A download that cannot be written names the disk, and not the server."""

    class Whole(BreaksOff):
        length = len(CONTENT)

    with serving(Whole) as url, pytest.raises(StoreError, match=r"s3://bucket/name cannot be copied.*disk"):
        store_at(url).fetch("bucket", "name", tmp_path / "no folder" / "copy")


def test_a_checksum_of_the_whole_is_the_fingerprint():
    """A server that vouches for an object's SHA-256 spares reading it."""

    class Vouches(Silent):
        def do(self):
            assert self.command == "HEAD"
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.send_header("x-amz-checksum-sha256", HASH)
            self.send_header("x-amz-checksum-type", "FULL_OBJECT")
            self.end_headers()

    with serving(Vouches) as url:
        found = store_at(url).fingerprint("bucket", "name")
    assert (found.size, found.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
