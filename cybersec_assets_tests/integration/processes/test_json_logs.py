"""JSON logs, as the programs of a cluster write them: real processes, and every line that they log."""

import json
import logging
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._grpc.types import ExecuteRunArgs

from cybersec_assets.operations.json_logging import JsonFormatter
from cybersec_assets_tests.conftest import CHECKOUT, DAY
from cybersec_assets_tests.support.servers.servers import HOST, free_port

JSON = (sys.executable, "-m", "cybersec_assets.operations.json_logging")
PLAIN = (sys.executable, "-m")
SECRETS = {
    "PG_PASSWORD": "made-up-password",
    "MINIO_SECRET_KEY": "made-up-secret-key",
    "FLOWS_S3_SECRET_KEY": "made-up-flows-key",
    "FLOWS_PSEUDONYM_KEY": "bWFkZSB1cCBrZXkgb2YgMzIgYnl0ZXMgZm9yIHRlc3Q=",
}


@pytest.fixture
def environment(settings, tmp_path):
    """The environment of the processes, with secrets."""
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return SECRETS | {
        "PATH": os.defpath,
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "CYBERSEC_HOME": str(settings.home),
        "PG_HOST": settings.postgres.host,
        "PG_DATABASE": settings.postgres.database,
        "FLOWS_URI": "/nowhere/{date}.log",
    }


@pytest.fixture
def run_worker(environment, monkeypatch):
    """Return a function that executes a new run as its pod does, and returns the run's ID and the logged lines."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def work(*command):
        repository = ReconstructableRepository.for_module("cybersec_assets.definitions", "defs", str(CHECKOUT))
        job = repository.get_reconstructable_job("daily_training")
        with dg.DagsterInstance.get() as instance:
            run = instance.create_run_for_job(
                job.get_definition(), tags={"dagster/partition": DAY}, job_code_origin=job.get_python_origin()
            )
            order = ExecuteRunArgs(job.get_python_origin(), run.run_id, instance.get_ref())
        done = subprocess.run(
            [*command, *order.get_command_args()],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return run.run_id, done.stdout.splitlines()

    return work


def test_a_record_is_one_line():
    """Line breaks are escaped."""
    error = ValueError("first\nsecond")
    caught = type(error), error, None
    record = logging.LogRecord("some.logger", logging.ERROR, "file", 1, "of %s\nlines", ("two",), caught)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    logged = json.loads(line)
    assert (logged["level"], logged["logger"], logged["message"]) == ("ERROR", "some.logger", "of two\nlines")
    assert logged["time"].endswith("+00:00")
    assert "ValueError: first\nsecond" in logged["exception"]


def test_a_warning_is_one_line():
    """It is logged once, whether or not the root logger has a handler."""
    program = """
import logging, warnings
from cybersec_assets.operations.json_logging import write_json
write_json()
warnings.warn("before")
logging.basicConfig()
warnings.warn("after")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(each["logger"], each["level"]) for each in logged] == [("py.warnings", "WARNING")] * 2
    for each, text in zip(logged, ("before", "after"), strict=True):
        assert f"UserWarning: {text}" in each["message"]
    assert done.stdout == ""


def test_each_line_of_a_run_has_the_runs_id(run_worker):
    """A failure also has its step and its traceback."""
    run_id, lines = run_worker(*JSON)
    logged = [json.loads(line) for line in lines]
    assert len(logged) > 5
    assert {(each["run_id"], each["partition"], each["job"]) for each in logged} == {(run_id, DAY, "daily_training")}
    assert all({"time", "level", "logger", "message"} <= each.keys() for each in logged)
    failed = next(each for each in logged if each.get("event") == "STEP_FAILURE")
    assert (failed["step_key"], failed["level"]) == ("raw__network_events", "ERROR")
    assert f"/nowhere/{DAY}.log" in failed["exception"]
    for secret in SECRETS.values():
        assert secret not in "".join(lines)


def test_without_the_module_a_run_logs_as_usual(run_worker):
    """The control of the test above: Dagster's own lines are not JSON."""
    _, lines = run_worker(*PLAIN)
    assert any(DAY not in line and "STEP_FAILURE" in line for line in lines)
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[0])


def responds(url):
    """Return whether a web server responds."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def test_code_location_web_server_and_daemon(environment, tmp_path):
    """The programs of the long-running pods log JSON and nothing else, from their start to their end."""
    # Two programs that create the instance's SQLite files at once would disturb each other.
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        assert instance.get_runs_count() == 0
    code = free_port()
    web = free_port()
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(f"load_from: [{{grpc_server: {{host: {HOST}, port: {code}, location_name: code}}}}]\n")
    programs = (
        ("dagster", "api", "grpc", "-h", HOST, "-p", str(code), "-m", "cybersec_assets.definitions"),
        ("dagster-webserver", "-h", HOST, "-p", str(web), "-w", str(workspace)),
        ("dagster-daemon", "run", "-w", str(workspace)),
    )
    files = [tmp_path / f"{uuid.uuid4().hex}.log" for _ in programs]
    started = []
    try:
        for program, file in zip(programs, files, strict=True):
            with file.open("w") as log:
                started.append(
                    subprocess.Popen([*JSON, *program], env=environment, stdout=log, stderr=log, cwd=tmp_path)
                )
        deadline = time.monotonic() + 90
        while not (responds(f"http://{HOST}:{web}/server_info") and all(file.read_text() for file in files)):
            assert time.monotonic() < deadline, [file.read_text() for file in files]
            assert all(process.poll() is None for process in started), [file.read_text() for file in files]
            time.sleep(0.5)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)
    for file in files:
        for line in file.read_text().splitlines():
            assert {"time", "level", "logger", "message"} <= json.loads(line).keys()
