"""S3Store: the requests of a listing, page by page, and how errors are reported."""

import datetime as dt

import boto3
import pytest
from botocore.stub import Stubber

from cybersec_assets.errors import ObjectMissingError, StoreError
from cybersec_assets.stores.s3 import S3Store
from cybersec_assets_tests.support.stores.listing import names_in

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
KEYS = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}


@pytest.fixture
def client():
    """A client without a server."""
    return boto3.client("s3", region_name="us-east-1", **KEYS)


@pytest.fixture
def stub(client):
    """Responses to the client's requests. All of them must be used."""
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def store(client):
    """A store that uses the client."""
    return S3Store(client)


def page(*names, after=None):
    """Return a response with some names and, if `after` is given, a continuation token."""
    contents = [{"Key": name, "LastModified": MOMENT} for name in names]
    more = {"IsTruncated": True, "NextContinuationToken": after} if after else {"IsTruncated": False}
    return more | ({"Contents": contents} if contents else {})


def request(size=1000, **more):
    """Return the parameters of a listing's request."""
    return {"Bucket": "b", "Prefix": "p/", "StartAfter": "p/0", "MaxKeys": size} | more


def test_a_listing_requests_every_page(store, stub):
    stub.add_response("list_objects_v2", page("p/1", "p/2", after="token"), request())
    stub.add_response("list_objects_v2", page("p/3"), request(ContinuationToken="token"))
    entries = list(store.entries("b", "p/", after="p/0"))
    assert [(entry.name, entry.modified) for entry in entries] == [(f"p/{n}", MOMENT) for n in (1, 2, 3)]


def test_a_limit_is_sent_to_the_server(store, stub):
    stub.add_response("list_objects_v2", page("p/1", after="token"), request(size=1))
    assert names_in(store, "b", prefix="p/", after="p/0", limit=1) == ["p/1"]


def test_a_limit_above_the_page_size_uses_pages(store, stub):
    first = [f"p/{n:04}" for n in range(1, 1001)]
    second = [f"p/{n:04}" for n in range(1001, 2001)]
    stub.add_response("list_objects_v2", page(*first, after="token"), request())
    stub.add_response("list_objects_v2", page(*second, after="more"), request(ContinuationToken="token"))
    assert names_in(store, "b", prefix="p/", after="p/0", limit=1001) == [*first, second[0]]


def test_a_listing_sends_no_request_before_the_first_object_is_read(store, stub):
    entries = store.entries("b")
    stub.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
    with pytest.raises(StoreError):
        next(entries)


def test_a_missing_bucket_has_no_objects(store, stub):
    stub.add_client_error("list_objects_v2", "NoSuchBucket", http_status_code=404)
    assert names_in(store, "b") == []


def test_a_denied_listing_is_an_error(store, stub):
    stub.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
    with pytest.raises(StoreError, match=r"refused s3://b: AccessDenied.*s3:ListBucket"):
        names_in(store, "b")


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchBucket"])
def test_reading_a_missing_object_names_it(store, stub, code):
    stub.add_client_error("get_object", code, http_status_code=404)
    with pytest.raises(ObjectMissingError, match="s3://b/name is missing"):
        list(store.chunks("b", "name"))


def test_an_object_is_deleted_with_one_request(store, stub):
    stub.add_response("delete_object", {}, {"Bucket": "b", "Key": "name"})
    assert store.delete("b", "name") is None


def test_a_denied_deletion_names_the_object(store, stub):
    stub.add_client_error("delete_object", "AccessDenied", http_status_code=403)
    with pytest.raises(StoreError, match="refused s3://b/name: AccessDenied"):
        store.delete("b", "name")
