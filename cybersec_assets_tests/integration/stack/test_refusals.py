"""Servers that are unreachable or refuse: one clear line, a FAILED row, and nothing half-written."""

import json
import logging
import os
import socket
import time
from contextlib import ExitStack

import dagster as dg
import pytest

from cybersec_assets.stores.s3_connection import RIGHTS
from cybersec_assets_tests.integration.stack.conftest import use_minio
from cybersec_assets_tests.support.servers.admin import add_user, allow
from cybersec_assets_tests.support.servers.servers import HOST, free_port
from cybersec_assets_tests.support.servers.workbench import failures, s3_client

PATIENCE = 15
"""The time within which a run must give up on an unreachable server."""
MINIO_KEYS = "MINIO_ACCESS_KEY and MINIO_SECRET_KEY"
PG_VARIABLES = ("PG_HOST", "PG_PORT", "PG_USER", "PG_PASSWORD", "PG_DATABASE")
USER_RIGHTS = ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:CreateBucket")
USER_SECRET = "made-up-secret-of-a-user"
CSV = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n2026-01-02T00:00:01,10.0.0.1,10.0.0.2,1,1,tcp\n"


def assert_minio_refuses(bench, *parts):
    """Run, and check that the first phase failed with one line, in Dagster and in the audit."""
    begin = time.monotonic()
    result = bench.run()
    assert time.monotonic() - begin < PATIENCE
    (message,) = failures(result)
    assert "\n" not in message
    for part in parts:
        assert part in message
    assert [(row["asset"], row["estado"], row["uri"], row["error"]) for row in bench.rows(result.run_id)] == [
        ("raw/network_events", "FAILED", "", message)
    ]
    assert bench.leftovers() == []


def assert_postgres_refuses(bench, *parts, remedy=PG_VARIABLES):
    """Run, and check that it failed with one line that names the variables, and that MinIO is empty."""
    begin = time.monotonic()
    result = bench.run()
    assert time.monotonic() - begin < PATIENCE
    (message,) = failures(result)
    assert "\n" not in message
    for part in (*parts, *remedy):
        assert part in message
    assert os.environ["PG_PASSWORD"] not in message
    assert bench.objects() | bench.heads() == {}
    assert bench.leftovers() == []


@pytest.mark.parametrize("variable", ["MINIO_SECRET_KEY", "MINIO_ACCESS_KEY"])
def test_a_wrong_key(bench, monkeypatch, variable):
    """Nothing is stored, and the message names the variables of the key."""
    monkeypatch.setenv(variable, "wrong-wrong-wrong")
    assert_minio_refuses(bench, bench.minio.url, f"s3://{bench.prefix}-raw", MINIO_KEYS)
    assert bench.objects() == {}


def test_no_key(bench, monkeypatch):
    """The message names the missing variables instead of the server."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("MINIO_ACCESS_KEY")
    monkeypatch.delenv("MINIO_SECRET_KEY")
    assert_minio_refuses(bench, bench.minio.url, f"Set {MINIO_KEYS}")
    assert bench.objects() == {}


@pytest.mark.parametrize("actions", [("s3:PutObject", "s3:GetObject"), ("s3:CreateBucket", "s3:GetObject")])
def test_a_user_without_the_right_to_write(bench, monkeypatch, actions):
    """The message names the rights to create buckets and to put objects."""
    add_user(bench.minio, bench.prefix, USER_SECRET, allow(*actions))
    monkeypatch.setenv("MINIO_ACCESS_KEY", bench.prefix)
    monkeypatch.setenv("MINIO_SECRET_KEY", USER_SECRET)
    assert_minio_refuses(bench, bench.minio.url, "AccessDenied", "s3:PutObject", "s3:CreateBucket")
    assert bench.objects() == {}


def test_a_user_with_the_rights_that_the_message_names(bench, monkeypatch):
    """The rights that the message names are enough, on this test's buckets only, also for the audit's heads."""
    assert all(right in RIGHTS for right in USER_RIGHTS)
    add_user(bench.minio, bench.prefix, USER_SECRET, allow(*USER_RIGHTS, resource=f"{bench.prefix}-*"))
    monkeypatch.setenv("MINIO_ACCESS_KEY", bench.prefix)
    monkeypatch.setenv("MINIO_SECRET_KEY", USER_SECRET)
    assert bench.run().success
    assert (len(bench.objects()), len(bench.heads())) == (4, 4)


def test_a_user_who_may_not_list(bench, monkeypatch):
    """No head can be numbered, but the day is made, and the next head covers it."""
    rights = [right for right in USER_RIGHTS if right != "s3:ListBucket"]
    add_user(bench.minio, bench.prefix, USER_SECRET, allow(*rights, resource=f"{bench.prefix}-*"))
    with monkeypatch.context() as few_rights:
        few_rights.setenv("MINIO_ACCESS_KEY", bench.prefix)
        few_rights.setenv("MINIO_SECRET_KEY", USER_SECRET)
        assert bench.run().success
    assert (len(bench.objects()), bench.heads()) == (4, {})
    bench.run("raw/network_events")
    (head,) = bench.heads().values()
    assert json.loads(json.loads(head)["head"])["count"] == 10


def test_a_user_who_may_not_read_back(bench, monkeypatch):
    """An object that cannot be read back is never a success."""
    bench.make_buckets()
    add_user(bench.minio, bench.prefix, USER_SECRET, allow("s3:PutObject"))
    monkeypatch.setenv("MINIO_ACCESS_KEY", bench.prefix)
    monkeypatch.setenv("MINIO_SECRET_KEY", USER_SECRET)
    assert_minio_refuses(bench, f"s3://{bench.prefix}-raw/network_events_", "s3:GetObject")


def test_minio_is_down(bench, monkeypatch):
    """The run ends soon and names the server and the variable."""
    port = free_port()
    monkeypatch.setenv("MINIO_ENDPOINT", f"{HOST}:{port}")
    assert_minio_refuses(bench, f"http://{HOST}:{port} cannot be reached", "MINIO_ENDPOINT")
    assert bench.objects() == {}


@pytest.fixture
def mute_port():
    """Return a port that accepts no more connections, like that of a machine behind a firewall."""
    with socket.create_server((HOST, 0), backlog=0) as server, ExitStack() as stack:
        port = server.getsockname()[1]
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex((HOST, port))
        yield port


def test_minio_does_not_answer(bench, monkeypatch, mute_port):
    """The run ends soon if packets to MinIO are dropped."""
    monkeypatch.setenv("MINIO_ENDPOINT", f"{HOST}:{mute_port}")
    assert_minio_refuses(bench, f"http://{HOST}:{mute_port} cannot be reached", "MINIO_ENDPOINT")


def test_postgres_does_not_answer(bench, monkeypatch, mute_port):
    """The run ends soon if packets to PostgreSQL are dropped."""
    monkeypatch.setenv("PG_PORT", str(mute_port))
    assert_postgres_refuses(bench, f"{HOST}:{mute_port}/{bench.database}", "timeout expired")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MINIO_ENDPOINT", "no host"), ("MINIO_SECRET_KEY", ""), ("MINIO_CA_FILE", "/no/such/file")],
)
def test_invalid_settings_of_the_client(bench, monkeypatch, variable, value):
    """An invalid endpoint, one key without the other and a missing CA file are reported by their variables."""
    monkeypatch.setenv(variable, value)
    if variable == "MINIO_CA_FILE":
        monkeypatch.setenv("MINIO_SECURE", "true")
    assert_minio_refuses(bench, f"//{os.environ['MINIO_ENDPOINT']}", variable)
    assert bench.objects() == {}


def after_raw(act):
    """Return a Dagster logger that calls a function once the raw phase has succeeded."""

    class Watcher(logging.Handler):
        def emit(self, record):
            event = getattr(record, "dagster_event", None)
            if event and event.event_type_value == "STEP_SUCCESS" and event.step_key == "raw__network_events":
                act()

    @dg.logger(config_schema={})
    def watcher(_context):
        logger = logging.Logger("watcher", logging.DEBUG)  # noqa: LOG001 - it is this run's alone
        logger.addHandler(Watcher())
        return logger

    return {"watcher": watcher}


def test_minio_is_killed_between_two_phases(bench, own_minio, monkeypatch):
    """The next phase fails. The object of the earlier phase is complete when the server is back."""
    use_minio(monkeypatch, own_minio)
    bench.minio = own_minio
    result = bench.run(loggers=after_raw(own_minio.kill))
    (message,) = failures(result)
    assert f"{own_minio.url} cannot be reached" in message
    raw, silver = bench.rows(result.run_id)
    assert (raw["estado"], silver["estado"], silver["error"]) == ("SUCCESS", "FAILED", message)
    own_minio.start()
    assert {uri: len(content) for uri, content in bench.objects().items()} == {raw["uri"]: raw["size_bytes"]}
    assert bench.leftovers() == []
    assert bench.run().success


def test_postgres_is_stopped_between_two_phases(bench, own_pg, monkeypatch):
    """The next phase stores nothing and fails with one line."""
    monkeypatch.setenv("PG_PORT", str(own_pg.port))
    (message,) = failures(bench.run(loggers=after_raw(own_pg.stop), patience=1))
    assert f"{HOST}:{own_pg.port}/{bench.database}" in message
    assert "\n" not in message
    assert [uri.split("/")[2] for uri in bench.objects()] == [f"{bench.prefix}-raw"]
    assert bench.leftovers() == []


def test_postgres_is_down(bench, monkeypatch, tmp_path):
    """The run ends before it reads a flow file or creates a bucket."""
    flows = tmp_path / "flows.csv"
    flows.write_text(CSV)
    os.utime(flows, (0, flows.stat().st_mtime))
    monkeypatch.setenv("FLOWS_URI", str(flows))
    port = free_port()
    monkeypatch.setenv("PG_PORT", str(port))
    assert_postgres_refuses(bench, f"{HOST}:{port}/{bench.database}")
    buckets = [one["Name"] for one in s3_client(bench.minio).list_buckets()["Buckets"]]
    assert not [name for name in buckets if name.startswith(bench.prefix)]
    assert flows.stat().st_atime == 0
    flows.read_text()
    assert flows.stat().st_atime > 0, "this file system does not tell when a file was read"


def test_a_wrong_password_of_postgres(bench, monkeypatch):
    """The message names the server and the role, and does not contain the password."""
    monkeypatch.setenv("PG_PASSWORD", "wrong-wrong-wrong")
    assert_postgres_refuses(bench, f"{HOST}:{bench.pg.port}/{bench.database}", bench.pg.user, "password authentication")
    assert bench.database not in bench.databases()


@pytest.mark.parametrize("exists", [False, True], ids=["no database", "no right to its schema"])
def test_a_role_that_may_not_create(bench, monkeypatch, exists):
    """The message says that another role may create the database or the tables."""
    role = f"role_{bench.database}"
    with bench.superuser() as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'made-up'")
        if exists:
            cursor.execute(f"CREATE DATABASE {bench.database}")
    monkeypatch.setenv("PG_USER", role)
    monkeypatch.setenv("PG_PASSWORD", "made-up")
    parts = f"{HOST}:{bench.pg.port}/{bench.database}", role, "permission denied"
    assert_postgres_refuses(bench, *parts, remedy=["PG_MIGRATION_USER"])
    assert (bench.database in bench.databases()) == exists
