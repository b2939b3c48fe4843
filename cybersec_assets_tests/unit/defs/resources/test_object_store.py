"""Without an endpoint, objects are stored in folders. With one, they are stored on that server."""

import pytest

from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.settings import StoreSettings
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.settings import group_with


def test_without_an_endpoint_objects_are_in_the_home(tmp_path):
    resource = ObjectStoreResource(group_with(StoreSettings, home=tmp_path))
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
    """A scheme in the endpoint takes precedence over MINIO_SECURE."""
    resource = ObjectStoreResource(
        group_with(StoreSettings, endpoint=endpoint, secure=secure, access_key="k", secret_key="s")
    )
    assert resource.open().client.meta.endpoint_url == url
    assert resource.location == url


def test_the_client_verifies_with_the_ca_file(tmp_path):
    ca_file = tmp_path / "ca.pem"
    resource = ObjectStoreResource(
        group_with(StoreSettings, endpoint="https://minio:9000", ca_file=ca_file, access_key="k", secret_key="s")
    )
    client = resource.server.client()
    assert client._endpoint.http_session._verify == str(ca_file)  # noqa: SLF001 - boto3 shows it nowhere else
