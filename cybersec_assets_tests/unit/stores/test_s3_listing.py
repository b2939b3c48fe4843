"""S3Store: the questions that a listing asks a server, page by page, and what becomes of its answers."""

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
    """A client that no server answers."""
    return boto3.client("s3", region_name="us-east-1", **KEYS)


@pytest.fixture
def stub(client):
    """Answers to the client's questions, all of which must be asked."""
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def store(client):
    """A store on the client's server."""
    return S3Store(client)


def page(*names, after=None):
    """Write a server's answer with some names, and with the word by which to go on."""
    contents = [{"Key": name, "LastModified": MOMENT} for name in names]
    more = {"IsTruncated": True, "NextContinuationToken": after} if after else {"IsTruncated": False}
    return more | ({"Contents": contents} if contents else {})


def question(size=1000, **more):
    """Write the question that a listing asks."""
    return {"Bucket": "b", "Prefix": "p/", "StartAfter": "p/0", "MaxKeys": size} | more


def test_a_listing_goes_on_where_the_page_before_ended(store, stub):
    """Every page is asked for, and each object is told with its time."""
    stub.add_response("list_objects_v2", page("p/1", "p/2", after="word"), question())
    stub.add_response("list_objects_v2", page("p/3"), question(ContinuationToken="word"))
    entries = list(store.entries("b", "p/", after="p/0"))
    assert [(entry.name, entry.modified) for entry in entries] == [(f"p/{n}", MOMENT) for n in (1, 2, 3)]


def test_a_limit_asks_for_no_more(store, stub):
    """Who wants one name asks the server for one, and not for a page of which the rest is thrown away."""
    stub.add_response("list_objects_v2", page("p/1", after="word"), question(size=1))
    assert names_in(store, "b", prefix="p/", after="p/0", limit=1) == ["p/1"]


def test_a_limit_above_a_page_is_reached_by_pages(store, stub):
    """A page is never larger than S3 gives, and the last one is cut at the limit."""
    first, second = [f"p/{n:04}" for n in range(1, 1001)], [f"p/{n:04}" for n in range(1001, 2001)]
    stub.add_response("list_objects_v2", page(*first, after="word"), question())
    stub.add_response("list_objects_v2", page(*second, after="more"), question(ContinuationToken="word"))
    assert names_in(store, "b", prefix="p/", after="p/0", limit=1001) == [*first, second[0]]


def test_nothing_is_asked_before_the_first_entry_is(store, stub):
    """A listing that nobody reads asks the server nothing; only its first entry does, and here none answers."""
    entries = store.entries("b")
    stub.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
    with pytest.raises(StoreError):
        next(entries)


def test_a_missing_bucket_has_no_objects(store, stub):
    """A bucket that nobody has made is empty, as a new one is."""
    stub.add_client_error("list_objects_v2", "NoSuchBucket", http_status_code=404)
    assert names_in(store, "b") == []


def test_a_bucket_that_may_not_be_listed_is_not_empty(store, stub):
    """A refusal is told as one, and is never taken for a bucket without objects."""
    stub.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
    with pytest.raises(StoreError, match=r"refused s3://b: AccessDenied.*s3:ListBucket"):
        names_in(store, "b")


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchBucket"])
def test_what_is_not_there_cannot_be_read(store, stub, code):
    """Reading an object that is gone, or whose bucket is, names it."""
    stub.add_client_error("get_object", code, http_status_code=404)
    with pytest.raises(ObjectMissingError, match="s3://b/name is gone"):
        list(store.chunks("b", "name"))


def test_an_object_is_removed_by_its_name(store, stub):
    """One object is removed, and nothing else is asked."""
    stub.add_response("delete_object", {}, {"Bucket": "b", "Key": "name"})
    assert store.delete("b", "name") is None


def test_a_removal_that_is_refused_is_told(store, stub):
    """A key that may not delete gives an error with the object's name."""
    stub.add_client_error("delete_object", "AccessDenied", http_status_code=403)
    with pytest.raises(StoreError, match="refused s3://b/name: AccessDenied"):
        store.delete("b", "name")
