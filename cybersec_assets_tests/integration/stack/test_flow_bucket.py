"""Flow logs in a real MinIO: listed like files on disk, read completely, or reported in one line."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from backports import zstd
from wcmatch import glob

from cybersec_assets.errors import StoreError, UnreadableLogError
from cybersec_assets.flows.staging import stage
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.servers.admin import add_user, allow
from cybersec_assets_tests.support.servers.servers import HOST, free_port
from cybersec_assets_tests.support.servers.workbench import failures, s3_client

COMMAND = Path(sys.executable).parent / "cybersec"
RAW = "raw/network_events"
HEADER = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n"
LARGE = 32 << 20
"""More than the socket buffers on both sides can hold."""
KEYS = ("2026-01-02/conn.a.log", "2026-01-02/conn.b.log", "2026-01-02/x/conn.a.log", "2026-01-02/x/y/conn.é.log")
KEYS += ("2026-01-02/.conn.log", "2026-01-02/[1].log", "2026-01-03/conn.a.log", "conn.log", "2026-01-02/dns.a.log")
PATTERNS = ("2026-01-02/conn.*.log", "2026-01-02/*", "*/conn.a.log", "**/*.log", "2026-01-02/**/conn.?.log", "conn.log")
PATTERNS += ("2026-01-0[2-3]/conn.a.log", r"2026-01-02/\[1\].log", "2026-01-02/[[]1].log", "conn", "2026-01-02/**")


def flows(octet):
    """Return a CSV log of some flows of the day."""
    rows = (f"{DAY}T00:{n // 60:02}:{n % 60:02},10.0.{octet}.{n % 250},10.1.0.1,{n * n},{n},tcp\n" for n in range(300))
    return (HEADER + "".join(rows)).encode()


def state_of(key, logs):
    """Return what the audit should record of an object, read with a client of the test's own."""
    found = s3_client(logs.minio).get_object(Bucket=logs.name, Key=key)
    content = found["Body"].read()
    return {
        "file": f"s3://{logs.name}/{key}",
        "size": len(content),
        "mtime": found["LastModified"].strftime("%Y-%m-%dT%H:%M:%S"),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def recorded(row):
    """Return a row's inputs with times in whole seconds, as HTTP has no fractions."""
    return [entry | {"mtime": entry["mtime"][:19]} for entry in row["inputs"]]


def test_patterns_match_objects_like_files(logs, tmp_path):
    """Every pattern matches the same names as on disk, and folder markers are not files."""
    for key in KEYS:
        logs.put(key, key.encode())
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_text(key)
    for marker in ("2026-01-02/", "2026-01-02/empty/"):
        logs.put(marker, b"")
    for pattern in PATTERNS:
        on_disk = glob.glob(pattern, root_dir=tmp_path, flags=glob.GLOBSTAR | glob.NODIR)
        found = [file.name for file in logs.files(pattern)]
        assert found == sorted(f"s3://{logs.name}/{key}" for key in on_disk), pattern
    assert [file.size for file in logs.files("conn.log")] == [len("conn.log")]


def test_a_listing_of_more_than_one_page(logs):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: logs.put(f"{number:04}.log", b"x"), range(1001)))
    assert [file.name[-8:] for file in logs.files("*.log")] == [f"{number:04}.log" for number in range(1001)]


def test_a_day_of_objects_becomes_a_model(bench, logs, tmp_path):
    """`cybersec run --flows-uri s3://…` reads plain, gzip and zstd objects, and the audit records their bytes."""
    packed = {f"{DAY}/conn.1.log.gz": gzip.compress(flows(1)), f"{DAY}/conn.2.log.zst": zstd.compress(flows(2))}
    # A Content-Encoding does not change how the stored bytes are read.
    place = {"Bucket": logs.name, "Key": f"{DAY}/conn.0.log.gz", "Body": gzip.compress(flows(0))}
    logs.client.put_object(**place, ContentEncoding="gzip")
    for key, content in (packed | {f"{DAY}/conn.3.log": flows(3), "2026-01-03/conn.1.log": b"no log"}).items():
        logs.put(key, content)
    command = [str(COMMAND), "run", "--json", "--date", DAY, "--flows-uri", f"s3://{logs.name}/{{date}}/conn.*.log*"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["phases"]
    assert [(row["estado"], row["records"]) for row in rows] == [("SUCCESS", 1200)] * 4
    keys = [f"{DAY}/conn.{number}.log{suffix}" for number, suffix in enumerate((".gz", ".gz", ".zst", ""))]
    assert recorded(rows[0]) == [state_of(key, logs) for key in keys]
    assert bench.leftovers() == []


def test_logs_on_another_server(bench, own_logs, monkeypatch):
    """With FLOWS_S3_ENDPOINT and its keys, only the logs are read from there."""
    own_logs.put("conn.log", flows(1))
    monkeypatch.setenv("FLOWS_URI", f"s3://{own_logs.name}/*.log")
    monkeypatch.setenv("FLOWS_S3_ENDPOINT", f"{HOST}:{own_logs.minio.port}")
    monkeypatch.setenv("FLOWS_S3_ACCESS_KEY", own_logs.minio.access_key)
    monkeypatch.setenv("FLOWS_S3_SECRET_KEY", own_logs.minio.secret_key)
    (row,) = bench.rows(bench.run(RAW).run_id)
    assert recorded(row) == [state_of("conn.log", own_logs)]
    assert list(bench.objects()) == [row["uri"]]
    assert [one["Name"] for one in own_logs.client.list_buckets()["Buckets"]] == [own_logs.name]


@pytest.mark.parametrize("right", [None, "s3:ListBucket", "s3:GetObject"])
def test_a_user_who_may_only_read(bench, logs, monkeypatch, right):
    """Two rights are enough for the key of the logs. Without either, the message names both."""
    logs.put("conn.log", flows(1))
    user = f"user-{logs.name[-12:]}"
    rights = [name for name in ("s3:ListBucket", "s3:GetObject") if name != right]
    add_user(logs.minio, user, "made-up-secret-of-a-user", allow(*rights, resource=f"{logs.name}*"))
    monkeypatch.setenv("FLOWS_URI", f"s3://{logs.name}/*.log")
    monkeypatch.setenv("FLOWS_S3_ACCESS_KEY", user)
    monkeypatch.setenv("FLOWS_S3_SECRET_KEY", "made-up-secret-of-a-user")
    result = bench.run(RAW)
    assert result.success == (right is None)
    if right:
        (message,) = failures(result)
        assert message.startswith(f"{logs.minio.url} refused s3://{logs.name}")
        assert "AccessDenied" in message
        assert message.endswith("Grant the key s3:ListBucket and s3:GetObject on the bucket of the logs.")


REFUSED = {
    "a wrong key": ({"FLOWS_S3_ACCESS_KEY": "wrong", "FLOWS_S3_SECRET_KEY": "wrong-wrong"}, "{bucket}", "FLOWS_S3_ACC"),
    "a missing bucket": ({}, "no-such-bucket", "has no bucket no-such-bucket. Check FLOWS_URI and FLOWS_S3_ENDPOINT."),
    "no match": ({}, "{bucket}", "no file matches s3://{bucket}/2026-01-02/*.log for 2026-01-02. Check FLOWS_URI"),
    "a server that is away": ({"FLOWS_S3_ENDPOINT": f"{HOST}:{free_port()}"}, "{bucket}", "Check FLOWS_S3_ENDPOINT"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_listed_fails_the_phase_in_one_line(bench, logs, monkeypatch, case):
    """The phase has a FAILED row and no object."""
    variables, bucket, message = REFUSED[case]
    keys = {"FLOWS_S3_ACCESS_KEY": logs.minio.access_key, "FLOWS_S3_SECRET_KEY": logs.minio.secret_key}
    uri = f"s3://{bucket.format(bucket=logs.name)}/{{date}}/*.log"
    for variable, value in (keys | {"FLOWS_URI": uri} | variables).items():
        monkeypatch.setenv(variable, value)
    result = bench.run(RAW)
    (line,) = failures(result)
    assert message.format(bucket=logs.name) in line
    assert "\n" not in line
    assert "Traceback" not in line
    (row,) = bench.rows(result.run_id)
    assert (row["estado"], row["error"], bench.objects(), bench.leftovers()) == ("FAILED", line, {}, [])


def test_an_object_deleted_since_it_was_listed(logs, tmp_path):
    """The message names the object."""
    logs.put("conn.log", b"0123456789")
    (file,) = logs.files("conn.log")
    logs.delete("conn.log")
    with pytest.raises(UnreadableLogError, match=rf"^{file.name} is gone from {logs.minio.url} since it was listed\."):
        stage(file, tmp_path / "copy")


def test_an_object_overwritten_since_it_was_listed(logs, tmp_path):
    """Other bytes under the listed name are refused, even if the size is equal."""
    logs.put("conn.log", b"0123456789")
    (file,) = logs.files("conn.log")
    logs.put("conn.log", b"9876543210")
    with pytest.raises(UnreadableLogError, match=rf"^{file.name} changed while it was read\. Wait until its writer"):
        stage(file, tmp_path / "copy")


ACTS = {"deleted": lambda logs: logs.delete("conn.log"), "overwritten": lambda logs: logs.put("conn.log", b"others")}


def read_around(file, act):
    """Read the beginning, call a function, and read the rest."""
    with file.open() as stream:
        begin = stream.read(1 << 20)
        act()
        return begin + b"".join(iter(lambda: stream.read(1 << 20), b""))


@pytest.mark.parametrize("act", ACTS)
def test_a_reader_that_continues_reads_everything(logs, act):
    """An object that is deleted or overwritten during the read is read as it was listed."""
    content = os.urandom(LARGE)
    logs.put("conn.log", content)
    (file,) = logs.files("conn.log")
    with ThreadPoolExecutor(1) as pool:
        assert read_around(file, lambda: pool.submit(ACTS[act], logs)) == content
    assert [found.size for found in logs.files("conn.log")] != [LARGE]


@pytest.mark.parametrize(
    ("act", "message"), [("deleted", "is gone from http"), ("overwritten", "changed while it was")]
)
def test_a_reader_that_is_dropped_gets_the_reason(own_logs, act, message):
    """If the server drops a slow reader to delete or overwrite the object, the partial read is an error."""
    own_logs.put("conn.log", os.urandom(LARGE))
    (file,) = own_logs.files("conn.log")
    with pytest.raises(UnreadableLogError, match=f"^{file.name} {message}"):
        read_around(file, lambda: ACTS[act](own_logs))


def test_a_server_killed_during_a_read(own_logs, tmp_path):
    """A power failure during the read is an error with the object's name."""
    own_logs.put("conn.log", os.urandom(LARGE))
    (file,) = own_logs.files("conn.log")
    with pytest.raises(StoreError, match=f"^{own_logs.minio.url} broke off the transfer of {file.name}: "):
        read_around(file, own_logs.minio.kill)
    with pytest.raises(StoreError, match=f"^{own_logs.minio.url} cannot be reached: "):
        stage(file, tmp_path / "copy")
