"""Where logs are read from, with which keys, and the errors about them."""

import datetime as dt
import gzip
import re

import pytest

from cybersec_assets.defs.resources.flow_source import FlowSourceResource
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.errors import NoFlowLogsError, SettingsError, StoreError, UnreadableLogError
from cybersec_assets.settings import FlowSettings, StoreSettings
from cybersec_assets_tests.support.settings import group_with
from cybersec_assets_tests.support.stores.http_servers import Silent, serving

DAY = dt.date(2026, 1, 2)
URI = "s3://logs/{date}/conn.*.log"
HEADER = "timestamp,src_ip,dst_ip,bytes,duration,protocol"
EMPTY = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></ListBucketResult>'


def store_with(**values):
    return ObjectStoreResource(group_with(StoreSettings, **values))


def logs_of(tmp_path, uri, store=None, **config):
    """Return the day's logs."""
    settings = group_with(FlowSettings, uri=uri, **config)
    return FlowSourceResource(settings, store or store_with()).source().logs_of(DAY, tmp_path / "logs")


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_local_path_needs_no_server(tmp_path, scheme):
    path = tmp_path / "2026-01-02.csv"
    path.write_text(f"{HEADER}\n2026-01-02T00:00:01,10.0.0.1,10.0.0.2,1,1,tcp\n")
    (log,) = logs_of(tmp_path, f"{scheme}{tmp_path}/{{date}}.csv").files
    assert log.name == str(path)


@pytest.mark.parametrize("uri", ["https://host/{date}/conn.log", "S3://logs/conn.log", "gs://logs/conn.log"])
def test_an_unsupported_scheme_is_refused(tmp_path, uri):
    """The error has the URL and the supported schemes."""
    error = rf"^FLOWS_URI={re.escape(uri)}: only local paths and s3:// are supported\. Mount or copy the logs\.$"
    with pytest.raises(SettingsError, match=error):
        logs_of(tmp_path, uri)


def test_without_a_server_the_variable_is_named(tmp_path):
    """If artifacts are stored in folders, s3:// needs an endpoint of its own."""
    with pytest.raises(SettingsError, match=r"^FLOWS_URI=s3://logs/.* is on an unknown server\. Set FLOWS_S3_ENDPOINT"):
        logs_of(tmp_path, URI)


@pytest.mark.parametrize("uri", ["s3://", "s3://logs", "s3://logs/", "s3:///conn.log", "s3://logs-*/conn.log"])
def test_a_url_that_names_no_objects_is_refused(tmp_path, uri):
    """A URL needs a bucket without wildcards and a key."""
    with pytest.raises(SettingsError, match=rf"^FLOWS_URI={re.escape(uri)} names no objects in a bucket\. Use s3://"):
        logs_of(tmp_path, uri, s3_endpoint="127.0.0.1:9", s3_access_key="a", s3_secret_key="s")


@pytest.fixture
def empty():
    """Yield the URL of an S3 server with empty buckets, and the key and path of each request."""
    asked = []

    class Empty(Silent):
        def do(self):
            asked.append((self.headers["Authorization"].split("Credential=")[1].split("/")[0], self.path))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(EMPTY)

    with serving(Empty) as url:
        yield url, asked


@pytest.mark.parametrize(
    ("own", "key"),
    [({}, "artifacts"), ({"s3_access_key": "logs", "s3_secret_key": "secret"}, "logs")],
    ids=["the artifacts' key", "a key of its own"],
)
def test_the_default_is_the_server_of_the_artifacts(tmp_path, empty, own, key):
    """Without an endpoint of its own, the logs are on the artifacts' server, with its key or another."""
    url, asked = empty
    store = store_with(endpoint=url, access_key="artifacts", secret_key="secret")
    with pytest.raises(NoFlowLogsError, match=r"^no file matches s3://logs/2026-01-02/conn\.\*\.log for 2026-01-02"):
        logs_of(tmp_path, URI, store, **own)
    ((who, what),) = asked
    assert who == key
    assert what.startswith("/logs?")
    assert "prefix=2026-01-02%2Fconn.&" in f"{what}&"


def test_another_server_never_sees_the_artifacts_key(tmp_path, empty, monkeypatch):
    """With an endpoint and no key, an error asks for keys and nothing is sent."""
    for variable in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(variable, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    url, asked = empty
    store = store_with(endpoint="127.0.0.1:9", access_key="artifacts", secret_key="secret")
    error = rf"^{url} requires keys: .*\. Set FLOWS_S3_ACCESS_KEY and FLOWS_S3_SECRET_KEY\.$"
    with pytest.raises(StoreError, match=error):
        logs_of(tmp_path, URI, store, s3_endpoint=url)
    assert asked == []


@pytest.mark.parametrize(
    "config", [{"s3_endpoint": "no host"}, {"s3_endpoint": "host:9000", "s3_access_key": "without a secret"}]
)
def test_invalid_settings_of_the_server(tmp_path, config):
    """The error names the variables."""
    with pytest.raises(StoreError, match=r"^no client for http://.* Check FLOWS_S3_ENDPOINT, FLOWS_S3_ACCESS_KEY and"):
        logs_of(tmp_path, URI, **config)


def test_an_unreachable_server(tmp_path):
    """The error has the endpoint and its variable."""
    error = r"^http://127\.0\.0\.1:9 cannot be reached: .*\. Check FLOWS_S3_ENDPOINT, MINIO_SECURE and that the server"
    with pytest.raises(StoreError, match=error):
        logs_of(tmp_path, URI, s3_endpoint="127.0.0.1:9", s3_access_key="a", s3_secret_key="s")


PRIVATE = [
    "/proc/self/environ",
    "/proc/*/environ",
    "/tmp/../proc/self/cmdline",
    "/run/secrets/**",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "{home}/audit/signing-key",
    "{home}/./postgres/data/*",
    "{home}/dagster/dagster.yaml",
    "{link}",
]


@pytest.mark.parametrize("name", ["uri", "columns"])
@pytest.mark.parametrize("path", PRIVATE)
def test_private_folders_are_refused(tmp_path, name, path):
    """The process's environment, mounted secrets and the home's own folders are never read."""
    home = tmp_path / "home"
    (home / "audit").mkdir(parents=True)
    (home / "audit" / "signing-key").write_text("hush")
    (tmp_path / "link").symlink_to(home / "audit" / "signing-key")
    given = {"uri": "/logs/x", name: path.format(home=home, link=tmp_path / "link")}
    with pytest.raises(SettingsError, match="which is private"):
        logs_of(tmp_path, store=store_with(home=home), **given)


@pytest.mark.parametrize("uri", ["{tmp}/procession.csv", "{tmp}/home/logs/x.csv", "{tmp}/\x00.csv"])
def test_other_folders_are_accepted(tmp_path, uri):
    """A folder of the home that is not the project's own may have logs."""
    with pytest.raises(NoFlowLogsError):
        logs_of(tmp_path, uri.format(tmp=tmp_path), store_with(home=tmp_path / "home"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_error_about_a_file_of_settings_quotes_no_secret(tmp_path, monkeypatch, pack):
    """The error quotes the beginning of the file without the secret."""
    monkeypatch.setenv("PG_PASSWORD", "hush-hush-hush")
    (tmp_path / "x").write_bytes(pack(b"PG_PASSWORD=hush-hush-hush\n"))
    with pytest.raises(UnreadableLogError, match=r"PG_PASSWORD=\[redacted\]") as caught:
        logs_of(tmp_path, f"{tmp_path}/x")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_log_with_a_secret_in_it_is_read(tmp_path, monkeypatch, pack):
    """An attacker who requests a URL with a default password does not make the day fail."""
    monkeypatch.setenv("MINIO_SECRET_KEY", "minioadmin")
    (tmp_path / "x").write_bytes(pack(f"{HEADER}\nGET /minioadmin\n".encode()))
    assert len(logs_of(tmp_path, f"{tmp_path}/x").files) == 1


def test_a_mapping_with_a_secret_is_refused(tmp_path, monkeypatch):
    """The mapping would be copied into the audit."""
    monkeypatch.setenv("PG_PASSWORD", "hush-hush-hush")
    (tmp_path / "x.json").write_text('{"bytes": "hush-hush-hush"}')
    with pytest.raises(SettingsError, match="contains a secret of the environment"):
        logs_of(tmp_path, "/logs/x", columns=str(tmp_path / "x.json"))
