"""Servers that are away or refuse: one clear line, a FAILED row where there is an audit, and nothing half-written."""

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
"""Within how many seconds a server that is away must have been given up."""
MINIO_KEYS = "MINIO_ACCESS_KEY and MINIO_SECRET_KEY"
PG_VARIABLES = ("PG_HOST", "PG_PORT", "PG_USER", "PG_PASSWORD", "PG_DATABASE")
USER_RIGHTS = ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:CreateBucket")
USER_SECRET = "made-up-secret-of-a-user"
CSV = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n2026-01-02T00:00:01,10.0.0.1,10.0.0.2,1,1,tcp\n"


def assert_minio_refuses(bench, *parts):
    """Run, and see that the first phase failed on one line of the given parts, in Dagster as in the audit."""
    begin = time.monotonic()
    result = bench.run()
    assert time.monotonic() - begin < PATIENCE
    (said,) = failures(result)
    assert "\n" not in said
    for part in parts:
        assert part in said
    assert [(row["asset"], row["estado"], row["uri"], row["error"]) for row in bench.rows(result.run_id)] == [
        ("raw/network_events", "FAILED", "", said)
    ]
    assert bench.leftovers() == []


def assert_postgres_refuses(bench, *parts, remedy=PG_VARIABLES):
    """Run, and see that one line of the given parts came of it, with the variables to set, and nothing in MinIO."""
    begin = time.monotonic()
    result = bench.run()
    assert time.monotonic() - begin < PATIENCE
    (said,) = failures(result)
    assert "\n" not in said
    for part in (*parts, *remedy):
        assert part in said
    assert os.environ["PG_PASSWORD"] not in said
    assert bench.objects() | bench.heads() == {}
    assert bench.leftovers() == []


@pytest.mark.parametrize("variable", ["MINIO_SECRET_KEY", "MINIO_ACCESS_KEY"])
def test_a_wrong_key(bench, monkeypatch, variable):
    """A wrong secret or access key stores nothing and is called by its variables' names."""
    monkeypatch.setenv(variable, "wrong-wrong-wrong")
    assert_minio_refuses(bench, bench.minio.url, f"s3://{bench.prefix}-raw", MINIO_KEYS)
    assert bench.objects() == {}


def test_no_key(bench, monkeypatch):
    """Keys that are not set are asked for by name, instead of blaming the server."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("MINIO_ACCESS_KEY")
    monkeypatch.delenv("MINIO_SECRET_KEY")
    assert_minio_refuses(bench, bench.minio.url, f"Set {MINIO_KEYS}")
    assert bench.objects() == {}


@pytest.mark.parametrize("actions", [("s3:PutObject", "s3:GetObject"), ("s3:CreateBucket", "s3:GetObject")])
def test_a_user_without_the_right_to_write(bench, monkeypatch, actions):
    """A key that may not create buckets, or not put objects, stores nothing and is told which rights it lacks."""
    add_user(bench.minio, bench.prefix, USER_SECRET, allow(*actions))
    monkeypatch.setenv("MINIO_ACCESS_KEY", bench.prefix)
    monkeypatch.setenv("MINIO_SECRET_KEY", USER_SECRET)
    assert_minio_refuses(bench, bench.minio.url, "AccessDenied", "s3:PutObject", "s3:CreateBucket")
    assert bench.objects() == {}


def test_a_user_with_no_more_rights_than_the_message_asks_for(bench, monkeypatch):
    """The rights that the message names are enough, on this test's buckets alone, also for the audit's heads."""
    assert all(right in RIGHTS for right in USER_RIGHTS)
    add_user(bench.minio, bench.prefix, USER_SECRET, allow(*USER_RIGHTS, resource=f"{bench.prefix}-*"))
    monkeypatch.setenv("MINIO_ACCESS_KEY", bench.prefix)
    monkeypatch.setenv("MINIO_SECRET_KEY", USER_SECRET)
    assert bench.run().success
    assert (len(bench.objects()), len(bench.heads())) == (4, 4)


def test_a_user_who_may_not_list(bench, monkeypatch):
    """Without the right to list no head can be numbered; the day is made all the same, and the next head covers it."""
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
    """An object that cannot be read back is never called a success."""
    bench.make_buckets()
    add_user(bench.minio, bench.prefix, USER_SECRET, allow("s3:PutObject"))
    monkeypatch.setenv("MINIO_ACCESS_KEY", bench.prefix)
    monkeypatch.setenv("MINIO_SECRET_KEY", USER_SECRET)
    assert_minio_refuses(bench, f"s3://{bench.prefix}-raw/network_events_", "s3:GetObject")


def test_minio_is_down(bench, monkeypatch):
    """Where nothing listens the run ends soon, naming the server and the variable."""
    port = free_port()
    monkeypatch.setenv("MINIO_ENDPOINT", f"{HOST}:{port}")
    assert_minio_refuses(bench, f"http://{HOST}:{port} cannot be reached", "MINIO_ENDPOINT")
    assert bench.objects() == {}


@pytest.fixture
def mute_port():
    """A port that takes connections up no more, as that of a machine behind a firewall."""
    with socket.create_server((HOST, 0), backlog=0) as server, ExitStack() as stack:
        port = server.getsockname()[1]
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex((HOST, port))
        yield port


def test_minio_does_not_answer(bench, monkeypatch, mute_port):
    """Where packets to MinIO get lost the run ends soon, too."""
    monkeypatch.setenv("MINIO_ENDPOINT", f"{HOST}:{mute_port}")
    assert_minio_refuses(bench, f"http://{HOST}:{mute_port} cannot be reached", "MINIO_ENDPOINT")


def test_postgres_does_not_answer(bench, monkeypatch, mute_port):
    """Where packets to PostgreSQL get lost the run ends soon, too."""
    monkeypatch.setenv("PG_PORT", str(mute_port))
    assert_postgres_refuses(bench, f"{HOST}:{mute_port}/{bench.database}", "timeout expired")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MINIO_ENDPOINT", "no host"), ("MINIO_SECRET_KEY", ""), ("MINIO_CA_FILE", "/no/such/file")],
)
def test_settings_that_make_no_client(bench, monkeypatch, variable, value):
    """An endpoint that is none, one key without the other and a missing CA file are told by their variables."""
    monkeypatch.setenv(variable, value)
    if variable == "MINIO_CA_FILE":
        monkeypatch.setenv("MINIO_SECURE", "true")
    assert_minio_refuses(bench, f"//{os.environ['MINIO_ENDPOINT']}", variable)
    assert bench.objects() == {}


def after_raw(act):
    """Make a Dagster logger that does something once the raw phase has succeeded."""

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
    """The phase that finds MinIO gone fails; what the phase before it stored is whole when the server is back."""
    use_minio(monkeypatch, own_minio)
    bench.minio = own_minio
    result = bench.run(loggers=after_raw(own_minio.kill))
    (said,) = failures(result)
    assert f"{own_minio.url} cannot be reached" in said
    raw, silver = bench.rows(result.run_id)
    assert (raw["estado"], silver["estado"], silver["error"]) == ("SUCCESS", "FAILED", said)
    own_minio.start()
    assert {uri: len(content) for uri, content in bench.objects().items()} == {raw["uri"]: raw["size_bytes"]}
    assert bench.leftovers() == []
    assert bench.run().success


def test_postgres_is_stopped_between_two_phases(bench, own_pg, monkeypatch):
    """The phase that finds PostgreSQL gone stores nothing, and says so in one line."""
    monkeypatch.setenv("PG_PORT", str(own_pg.port))
    (said,) = failures(bench.run(loggers=after_raw(own_pg.stop), patience=1))
    assert f"{HOST}:{own_pg.port}/{bench.database}" in said
    assert "\n" not in said
    assert [uri.split("/")[2] for uri in bench.objects()] == [f"{bench.prefix}-raw"]
    assert bench.leftovers() == []


def test_postgres_is_down(bench, monkeypatch, tmp_path):
    """Where no PostgreSQL listens the run ends soon, before any flow file was read or any bucket made."""
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
    """A wrong PG_PASSWORD is told with the server and the role, and without the password."""
    monkeypatch.setenv("PG_PASSWORD", "wrong-wrong-wrong")
    assert_postgres_refuses(bench, f"{HOST}:{bench.pg.port}/{bench.database}", bench.pg.user, "password authentication")
    assert bench.database not in bench.databases()


@pytest.mark.parametrize("exists", [False, True], ids=["no database", "no right to its schema"])
def test_a_role_that_may_not_create(bench, monkeypatch, exists):
    """A role that may make neither database nor tables is told so, and that another role may do it in its place."""
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
