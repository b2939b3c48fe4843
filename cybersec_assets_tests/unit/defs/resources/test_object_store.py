"""Without an endpoint objects lie in folders; with one they go to that server."""

import pytest

from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.stores.folder import FolderStore


def test_without_an_endpoint_it_is_folders_below_home(tmp_path):
    """The embedded store is a directory under CYBERSEC_HOME."""
    resource = ObjectStoreResource(home=str(tmp_path))
    store = resource.open()
    assert isinstance(store, FolderStore)
    assert store.root == tmp_path / "store"
    assert resource.location == str(tmp_path / "store")


@pytest.mark.parametrize(
    ("endpoint", "secure", "url"),
    [
        ("minio:9000", False, "http://minio:9000"),
        ("minio:9000", True, "https://minio:9000"),
        ("http://minio:9000", True, "http://minio:9000"),
        ("https://minio", False, "https://minio"),
    ],
)
def test_an_endpoint_is_a_host_or_a_url(endpoint, secure, url):
    """A scheme in the endpoint goes before MINIO_SECURE."""
    resource = ObjectStoreResource(endpoint=endpoint, secure=secure, access_key="k", secret_key="s")
    assert resource.open().client.meta.endpoint_url == url
    assert resource.location == url


def test_a_ca_file_is_what_the_client_checks_against(tmp_path):
    """A server's certificate is checked against MINIO_CA_FILE where one is given."""
    ca_file = tmp_path / "ca.pem"
    resource = ObjectStoreResource(endpoint="https://minio:9000", ca_file=str(ca_file), access_key="k", secret_key="s")
    client = resource.server.client()
    assert client._endpoint.http_session._verify == str(ca_file)  # noqa: SLF001 - boto3 shows it nowhere else
