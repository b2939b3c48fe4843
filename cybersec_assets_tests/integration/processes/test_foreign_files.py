"""No command changes files of other programs in CYBERSEC_HOME, and commands that read create nothing."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.foreign import plant, snapshot
from cybersec_assets_tests.support.servers.servers import HOST, free_port
from cybersec_assets_tests.support.web import wait_for

COMMAND = str(Path(sys.executable).parent / "cybersec")
LISTS = [["last-run"], ["models-from", "x.log"], ["records"], ["failures"], ["anomalies"]]
READERS = [
    *(["audit", *query] for query in LISTS),
    *(["audit", *query, "--json"] for query in LISTS),
    ["audit", "lineage", "model.pkl"],
    ["audit", "lineage", "model.pkl", "--json"],
    ["audit", "verify"],
    ["audit", "verify", "--json"],
    ["audit", "verify", "--since", "2026-01-01"],
    ["audit", "public-key"],
    ["metrics"],
    ["stores", "reach", "--timeout", "0"],
    ["stores", "wait", "--timeout", "0"],
]
WRITERS = [
    ["run", "--date", DAY, "--json"],
    ["ui"],
    ["audit", "reconcile", "--grace", "0", "--delete-orphans", "--no-dry-run", "--older-than", "1"],
    ["stores", "prepare", "--timeout", "0"],
    ["stores", "check"],
    ["stores", "prune", "--days", "1"],
]
FOREIGN = {
    "postgres": {"postgres": {"data": {"PG_VERSION": "15\n", "base": {"1": "rows"}}}},
    "audit": {"audit": {"signing-key": "mine", "report.docx": "mine"}},
    "trusted-keys": {"audit": {"trusted-keys": "not one of our keys\n"}},
    "dagster": {"dagster": {"dagster.yaml": "storage: {}\n", "code": {"assets.py": "mine"}}},
    "looks": {"audit": {"looks.json": "[]", "tried-servers.json": "{}"}},
    "runs": {"runs": {"2026-01-02.lock": "", "other.lock": ""}},
    "links": {"postgres": ("link", "../elsewhere"), "audit": ("link", "../elsewhere"), "dagster": ("link", "/etc")},
}
BESIDE = {
    "README": "mine",
    "postgres.conf": "mine",
    "dagster.yaml": "storage: {}\n",
    "compose": {"postgres": {"PG_VERSION": "15\n"}, "link": ("link", "../README")},
    "store": {
        "notes.txt": "mine",
        "cybersec-ml-raw": {"notes.parquet": "mine", "sub": {"network_events_20200101_000001.parquet.bak": "mine"}},
        "cybersec-ml-eval": {"report.pdf": "mine"},
    },
}


@pytest.fixture
def home(monkeypatch):
    """A CYBERSEC_HOME that any user can enter, with few flows and without servers."""
    folder = Path(tempfile.mkdtemp(prefix="cybersec-home-"))
    folder.chmod(0o755)
    monkeypatch.setenv("CYBERSEC_HOME", str(folder / "home"))
    monkeypatch.setenv("CYBERSEC_SYNTHETIC_FLOWS", "3000")
    monkeypatch.setattr("os.execv", lambda *_: None)
    yield folder / "home"
    shutil.rmtree(folder)


def assert_one_line(status, out, err):
    """Assert that a command refused with one line of at most 500 characters."""
    assert (status, out, len(err.splitlines())) == (2, "", 1), (status, out, err)
    assert len(err) < 500


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_reading_creates_nothing(cybersec, home, command):
    """Before the first run, a command that only reads reports that in one line."""
    status, out, err = cybersec(*command)
    if command[0] == "stores":
        assert_one_line(status, out, err)
    elif command[1:2] and command[1] in [query[0] for query in LISTS]:
        assert (status, err) == (0, "")
        assert json.loads(out) == [] if "--json" in command else "no runs here yet" in out
        assert "--json" in command or len(out.splitlines()) == 1
    else:
        assert_one_line(status, out, err)
        assert "no runs here yet" in err
    assert list(home.parent.iterdir()) == []


def test_reading_creates_no_database_on_a_server(cybersec, home, monkeypatch, settings):
    monkeypatch.setenv("PG_HOST", settings.postgres.host)
    monkeypatch.setenv("PG_DATABASE", settings.postgres.database)
    for _ in range(2):
        assert "no runs here yet" in cybersec("audit", "last-run")[1]
        assert cybersec("audit", "verify")[0] == 2
    assert cybersec("audit", "reconcile")[0] == 2
    assert list(home.parent.iterdir()) == []


@pytest.mark.parametrize("tree", FOREIGN.values(), ids=FOREIGN)
def test_files_of_other_programs_in_our_places_are_refused(cybersec, home, tree):
    """No command changes any of them, and a run does not start."""
    plant(home, tree)
    plant(home.parent / "elsewhere", {"file": "mine"})
    before = snapshot(home.parent)
    for command in [*READERS, *WRITERS]:
        status, out, err = cybersec(*command)
        os.environ.pop("DAGSTER_HOME", None)
        assert "Traceback" not in out + err
        assert len(err.splitlines()) <= 1, (command, err)
        found = snapshot(home.parent)
        assert {path: found.get(path) for path in before} == before, command
        if command[0] == "run":
            assert (status, "nothing was changed" in err) == (2, True)
    assert not (home / "postgres" / "PG_VERSION").exists()


def listens(port):
    """Return whether a process listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def test_files_of_other_programs_beside_ours_are_kept(cybersec, home):
    """Every command works, and none of these files changes."""
    plant(home, BESIDE)
    long_ago = time.time() - 30 * 24 * 60 * 60
    for path in home.rglob("*"):
        os.utime(path, (long_ago, long_ago), follow_symlinks=False)
    before = snapshot(home)
    run, *others = WRITERS
    assert cybersec(*run)[0] == 0
    for command in [*READERS, *others, run]:
        if command == ["metrics"]:
            continue
        status, out, err = cybersec(*command)
        os.environ.pop("DAGSTER_HOME", None)
        assert "Traceback" not in out + err
        assert status in {0, 2}
    port = free_port()
    with subprocess.Popen([COMMAND, "metrics", "--port", str(port)], stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: listens(port), 60)
            process.send_signal(signal.SIGTERM)
            assert (process.wait(30), process.stderr.read()) == (0, b"")
        finally:
            process.kill()
    found = snapshot(home)
    assert {path: found.get(path) for path in before} == before


@pytest.mark.usefixtures("home")
def test_a_deleted_audit_is_a_finding(cybersec, monkeypatch, settings):
    """The store still has signed heads."""
    monkeypatch.setenv("PG_HOST", settings.postgres.host)
    monkeypatch.setenv("PG_DATABASE", settings.postgres.database)
    assert cybersec("run", "--date", DAY, "--json")[0] == 0
    assert cybersec("audit", "verify")[0] == 0
    monkeypatch.setenv("PG_DATABASE", f"{settings.postgres.database}_gone")
    status, out, err = cybersec("audit", "verify", "--json")
    (finding,) = json.loads(out)["findings"]
    assert (status, finding["id"], err) == (1, "tail-cut", "")
    assert "signed heads" in cybersec("audit", "verify")[1]
    assert cybersec("audit", "last-run", "--json") == (0, "[]\n", "")


@pytest.mark.parametrize(
    "moment", ["2999-01-01", "2999-01-01T00:00+02:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00+12:00"]
)
def test_since_in_the_future_is_refused(cybersec, home, moment):
    """Nothing would be verified, which must not look like success."""
    assert_one_line(*cybersec("audit", "verify", "--since", moment))
    assert list(home.parent.iterdir()) == []
