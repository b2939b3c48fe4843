"""S3 servers that ignore `If-None-Match` are named before any work. MinIO passes, and the check leaves nothing."""

import json
import re

import boto3
import pytest
from botocore.config import Config

from cybersec_assets.artifact import fingerprint_of
from cybersec_assets.definitions import store_from
from cybersec_assets.defs.resources.tried_servers import FILE, SECONDS, TriedServers
from cybersec_assets.errors import StoreError, UnsafeStoreError
from cybersec_assets.home.audit_folder import claim_audit_folder
from cybersec_assets.operations.provision import check, prepare
from cybersec_assets.settings import load_settings
from cybersec_assets.stores.s3 import S3Store
from cybersec_assets.stores.s3_conditions import WRITERS, require_conditions, require_one_winner, require_refusals
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.integration.stack.test_refusals import USER_RIGHTS, USER_SECRET
from cybersec_assets_tests.support.servers.admin import add_user, allow
from cybersec_assets_tests.support.servers.forgetful_proxy import forgetful, is_completion, is_put
from cybersec_assets_tests.support.servers.workbench import failures, s3_client

FORGETS = {"PutObject": is_put, "CompleteMultipartUpload": is_completion}


def client_at(bench, url):
    """Return a client that reaches the server at another URL."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=bench.minio.access_key,
        aws_secret_access_key=bench.minio.secret_key,
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )


@pytest.fixture(params=FORGETS)
def way(request):
    """Return a way of writing."""
    return request.param


@pytest.fixture
def forgetful_url(bench, way):
    """Yield the URL of a server that ignores the condition for one way of writing."""
    with forgetful(bench.minio, FORGETS[way]) as url:
        yield url


def test_minio_keeps_the_condition(bench):
    """Both checks pass in a new bucket and leave nothing."""
    store = S3Store(s3_client(bench.minio))
    assert require_conditions(store, f"{bench.prefix}-raw")
    require_one_winner(store, f"{bench.prefix}-raw")
    assert bench.objects() == {}
    assert "Uploads" not in s3_client(bench.minio).list_multipart_uploads(Bucket=f"{bench.prefix}-raw")


def test_a_proxy_that_forgets_nothing_passes(bench):
    """Negative control: the tests' proxy itself does not fail the checks."""
    with forgetful(bench.minio) as url:
        assert require_conditions(S3Store(client_at(bench, url)), f"{bench.prefix}-raw")
        require_one_winner(S3Store(client_at(bench, url)), f"{bench.prefix}-raw")


def test_a_server_that_ignores_the_condition_is_detected(bench, way, forgetful_url):
    """Each way of writing is tried separately, and one line names the server and the condition."""
    expected = f"{forgetful_url} does not support S3's condition If-None-Match: {way} replaced an object. Use a server"
    with pytest.raises(UnsafeStoreError, match=re.escape(expected)) as found:
        require_conditions(S3Store(client_at(bench, forgetful_url)), f"{bench.prefix}-raw")
    assert len(str(found.value)) < 500
    assert bench.objects() == {}


def test_a_race_detects_it(bench, way, forgetful_url):
    """Several of 16 concurrent writers succeed."""
    bench.make_buckets()
    expected = rf"If-None-Match: \d+ of {WRITERS} writers of one name succeeded with {way}\. "
    with pytest.raises(UnsafeStoreError, match=expected):
        require_one_winner(S3Store(client_at(bench, forgetful_url)), f"{bench.prefix}-raw")
    assert bench.objects() == {}


def test_the_stores_check_detects_it(cluster, monkeypatch, way, forgetful_url):
    """`cybersec stores check`, which `helm test` runs, passes on MinIO and names a server that ignores it."""
    prepare(load_settings(), 30, lambda _: None)
    check(load_settings())
    assert cluster.objects() == {}
    monkeypatch.setenv("MINIO_ENDPOINT", forgetful_url)
    with pytest.raises(UnsafeStoreError, match=f"writers of one name succeeded with {way}"):
        check(load_settings())


def test_the_command_refuses_before_any_work(bench, cybersec, monkeypatch, way, forgetful_url):
    """`cybersec run` exits with 2 and one line, and creates no run, row or object."""
    monkeypatch.setenv("MINIO_ENDPOINT", forgetful_url)
    status, out, err = cybersec("run", "--date", DAY, "--json")
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"error: {forgetful_url} does not support S3's condition If-None-Match: {way} .*\n", err)
    assert bench.objects() | bench.heads() == {}
    assert bench.database not in bench.databases()


def test_a_run_from_the_ui_fails_before_it_reads(bench, monkeypatch, way, forgetful_url):
    """The run fails in its first phase with the same line, and stores nothing."""
    monkeypatch.setenv("MINIO_ENDPOINT", forgetful_url)
    monkeypatch.setenv("FLOWS_URI", "/nowhere/{date}.log")
    result = bench.run()
    (message,) = failures(result)
    assert f"If-None-Match: {way} replaced an object" in message
    assert [(row["estado"], row["error"]) for row in bench.rows(result.run_id)] == [("FAILED", message)]
    assert bench.objects() | bench.heads() == {}


def test_a_key_that_may_not_delete_leaves_nothing(bench, monkeypatch):
    """Without the right to delete, the first artifact is used for the check."""
    add_user(bench.minio, bench.prefix, USER_SECRET, allow(*USER_RIGHTS, resource=f"{bench.prefix}-*"))
    monkeypatch.setenv("MINIO_ACCESS_KEY", bench.prefix)
    monkeypatch.setenv("MINIO_SECRET_KEY", USER_SECRET)
    assert bench.run().success
    assert len(bench.objects()) == 4


def test_without_the_right_to_delete_the_first_artifact_detects_it(bench, way, forgetful_url, tmp_path):
    """A store that could not check its server does so with the first object that it stores."""
    file = tmp_path / "file"
    file.write_bytes(b"content")
    store = S3Store(client_at(bench, forgetful_url))
    store.check_next_write = require_refusals
    with pytest.raises(UnsafeStoreError, match=f"{way} replaced an object"):
        store.create(f"{bench.prefix}-raw", "name", file, fingerprint_of(file))


def test_a_server_is_checked_once_a_day(bench):
    """The result is kept in the home for a day, for this server and these buckets."""
    settings = load_settings()
    store_from(settings).require_conditional_writes()
    memory = json.loads((settings.home / FILE).read_text())
    (place,) = memory
    assert place == f"{bench.minio.url}/{bench.prefix}-raw"
    then = memory[place]
    assert place in TriedServers(settings.home, lambda: then + SECONDS - 1)
    assert place not in TriedServers(settings.home, lambda: then + SECONDS)
    assert place not in TriedServers(settings.home, lambda: then - 1)
    bench.minio.kill()
    try:
        store_from(settings).require_conditional_writes()
    finally:
        bench.minio.start()


@pytest.mark.parametrize("content", ["", "[]", "7", "{", '{"a": "b"}', '{"a": null}'])
def test_a_damaged_file_of_results_is_ignored(tmp_path, content):
    """The server is checked again."""
    claim_audit_folder(tmp_path)
    (tmp_path / FILE).write_text(content)
    tried = TriedServers(tmp_path)
    assert "a" not in tried
    tried.add("a")
    assert "a" in tried


def test_an_unreachable_server_is_not_reported_as_unsafe(bench):
    with pytest.raises(StoreError, match="cannot be reached") as found:
        require_conditions(S3Store(client_at(bench, "http://127.0.0.1:9")), "bucket")
    assert not isinstance(found.value, UnsafeStoreError)
