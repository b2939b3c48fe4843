"""The metrics server as a process that is scraped over HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.phases import EVALUATION, RAW
from cybersec_assets_tests.support.audit.phases import fail, succeed
from cybersec_assets_tests.support.servers.servers import free_port

COMMAND = str(Path(sys.executable).parent / "cybersec")
MOST_MEMORY = 64 * 2**20
"""Bytes; 45 MiB were measured."""
HEAVY = {"dagster", "polars", "sklearn", "sqlalchemy", "numpy", "boto3"}


@pytest.fixture
def environment(settings, tmp_path):
    """The environment of the metrics server."""
    return {
        "PATH": os.defpath,
        "PG_HOST": settings.postgres.host,
        "PG_DATABASE": settings.postgres.database,
        "CYBERSEC_HOME": str(tmp_path / "home"),
    }


@pytest.fixture
def metrics_server(environment):
    """Return a function that starts a server and returns its process and a function that scrapes it."""
    started = []

    def start(**changed):
        port = free_port()
        process = subprocess.Popen(
            [COMMAND, "metrics", "--port", str(port)], env=environment | changed, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, lambda: scrape(process, port)

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def scrape(process, port):
    """Return the samples by name and asset, as soon as the server responds."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
        except urllib.error.URLError:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            samples = [sample for family in families for sample in family.samples]
            return {(each.name, each.labels.get("asset")): each.value for each in samples}


def test_a_scrape_returns_the_metrics_of_the_audit(metrics_server, journal):
    """Each scrape reads them again."""
    succeed(journal, RAW.asset, "raw-1", records=7)
    _, scrape_again = metrics_server()
    samples = scrape_again()
    assert samples["cybersec_audit_up", None] == 1
    assert samples["cybersec_last_success_records", RAW.asset] == 7
    assert samples["cybersec_last_success_timestamp_seconds", RAW.asset] == pytest.approx(time.time(), abs=60)
    assert ("cybersec_last_success_records", EVALUATION.asset) not in samples
    assert [samples["cybersec_phase_failures_total", asset] for asset in PHASES] == [0, 0, 0, 0]
    fail(journal, EVALUATION.asset)
    assert scrape_again()["cybersec_phase_failures_total", EVALUATION.asset] == 1


def test_an_unreachable_database_is_reported_as_down(metrics_server, tmp_path):
    process, scrape_again = metrics_server(PG_HOST=str(tmp_path))
    assert scrape_again() == scrape_again() == {("cybersec_audit_up", None): 0}
    process.terminate()
    log = process.communicate()[1]
    assert log.count("cannot use the database") == log.count("\n") >= 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_at_once(metrics_server, database, number):
    assert database.url.database
    process, scrape_again = metrics_server()
    scrape_again()
    since = time.monotonic()
    process.send_signal(number)
    assert process.communicate(timeout=5)[1] == ""
    assert process.returncode == 0
    assert time.monotonic() - since < 2


WAIT = """
import random, signal, sys
from cybersec_assets.operations.metrics_server import blocked
for _ in range(5000):
    with blocked([signal.SIGALRM]):
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 6e-5))
        signal.sigwait([signal.SIGALRM])
"""


def test_no_signal_is_lost_however_early_it_arrives():
    """With signal.pause() instead, the process would wait for ever after some hundred rounds."""
    assert subprocess.run([sys.executable, "-c", WAIT], timeout=60, check=False).returncode == 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")
def test_the_server_needs_little_memory(metrics_server, database):
    """Any of the heavy libraries would exceed the limit."""
    assert database.url.database
    process, scrape_again = metrics_server()
    for _ in range(5):
        scrape_again()
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    assert pages * os.sysconf("SC_PAGE_SIZE") < MOST_MEMORY


def test_the_server_imports_no_heavy_library():
    modules = "cybersec_assets.cli.app, cybersec_assets.operations.metrics_server"
    program = f"import sys, {modules}; print(sorted({HEAVY} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_port_in_use_is_one_line(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [COMMAND, "metrics", "--port", str(port)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1
