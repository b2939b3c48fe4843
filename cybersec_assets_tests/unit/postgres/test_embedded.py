"""All processes of a home share the embedded server, and the last one stops it."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
import pytest

from cybersec_assets.errors import AuditError
from cybersec_assets.home.folders import MARKER, is_marked, make_marked
from cybersec_assets.postgres import embedded as module
from cybersec_assets.postgres.embedded import data_folder, embedded_postgres, has_cluster
from cybersec_assets_tests.support.foreign import plant, snapshot

HOLD = "import sys; from pathlib import Path; from cybersec_assets.postgres.embedded import *\n"
HOLD += "with embedded_postgres(Path(sys.argv[1])): print('up', flush=True); sys.stdin.read()"
FULL = "No space left on device|could not extend file|wrote only"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root must give way to another user")


@pytest.fixture
def home():
    """Yield a home that every user may reach."""
    folder = Path(tempfile.mkdtemp(prefix="cybersec-home-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def holder(home):
    """Yield another process that uses the home's server."""
    command = [sys.executable, "-c", HOLD, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def is_running(home):
    """Return whether a home's server is running."""
    return (data_folder(home) / "postmaster.pid").exists()


def wait_until_dead(number):
    """Wait until a killed process has ended, or is a zombie."""
    deadline = time.monotonic() + 30
    status = Path(f"/proc/{number}/stat")
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def start_time_of(folder):
    """Return when a server was started."""
    connection = psycopg2.connect(host=str(folder), user="postgres", dbname="postgres")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_postmaster_start_time()")
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_the_last_user_stops_the_server_and_the_data_stays(home):
    with embedded_postgres(home) as folder:
        first = start_time_of(folder)
    assert not is_running(home)
    with embedded_postgres(home) as folder:
        assert start_time_of(folder) > first


def test_two_users_share_one_server(home, holder):
    with embedded_postgres(home) as folder:
        started = start_time_of(folder)
    assert is_running(home)
    assert start_time_of(data_folder(home)) == started
    holder.communicate("")
    assert not is_running(home)


def test_a_killed_user_does_not_keep_the_server_running(home, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with embedded_postgres(home) as folder:
        start_time_of(folder)
    assert not is_running(home)


def test_the_server_starts_again_after_a_crash(home):
    with embedded_postgres(home) as folder:
        first = start_time_of(folder)
        number = int((data_folder(home) / "postmaster.pid").read_text().splitlines()[0])
        os.kill(number, signal.SIGKILL)
        wait_until_dead(number)
        with embedded_postgres(home) as again:
            assert start_time_of(again) > first


def test_a_long_path_has_its_socket_elsewhere(home):
    deep = home / ("d" * 100)
    with embedded_postgres(deep) as folder:
        assert not folder.is_relative_to(deep)
        start_time_of(folder)
    assert not folder.exists()


def test_only_the_owner_may_enter_the_socket_folder(home):
    """Nothing else protects the socket."""
    with embedded_postgres(home) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_socket_folder_of_another_user_is_rejected(home, monkeypatch):
    stranger = home / "theirs"
    stranger.mkdir(mode=0o700)
    os.chown(stranger, 12_345, -1) if os.geteuid() == 0 else pytest.skip("only root can give a folder away")
    monkeypatch.setattr(module, "_short_folder", lambda _data: stranger)
    with pytest.raises(AuditError, match="open to other users"), embedded_postgres(home / ("d" * 100)):
        pass


def test_an_open_socket_folder_is_rejected(home, monkeypatch):
    """A link to an open folder is rejected, too."""
    ours = home / "ours"
    link = home / "link"
    ours.mkdir(mode=0o755)
    link.symlink_to(ours)
    for folder in (ours, link):
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        monkeypatch.setattr(module, "_short_folder", lambda _data, folder=folder: folder)
        with pytest.raises(AuditError, match="open to other users"), embedded_postgres(home / ("d" * 100)):
            pass


def test_a_path_with_shell_characters_is_rejected(home):
    with (
        pytest.raises(AuditError, match=r"does not accept .*\$\(touch"),
        embedded_postgres(home / "$(touch x)"),
    ):
        pass


@as_root
def test_roots_closed_home_stays_closed(home):
    """Root's server has its data elsewhere, and no folder's mode is changed."""
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    state = home / "state"
    with embedded_postgres(closed / "home", state) as folder:
        start_time_of(folder)
        assert folder.is_relative_to(state)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_programs_that_others_cannot_reach_are_copied(home, monkeypatch):
    monkeypatch.setattr(module, "_is_open", lambda path: path.name != "postgres" or "pginstall" not in path.parts)
    with embedded_postgres(home, home / "state") as folder:
        start_time_of(folder)
    assert [entry.name.split("-")[0] for entry in (home / "state").iterdir()] == ["postgresql"]


def test_a_damaged_cluster_is_an_error_that_names_the_log(home):
    with embedded_postgres(home):
        pass
    (data_folder(home) / "postgresql.conf").write_text("no such setting\n")
    with pytest.raises(AuditError, match=r"does not start: pg_ctl.*server\.log, or set PG_HOST"):  # noqa: SIM117
        with embedded_postgres(home):
            pass


FOREIGN = {
    "a data folder of Compose": {"data": {"PG_VERSION": "15\n", "base": {"1": "rows"}}},
    "a file": {"notes.txt": "mine"},
    "a hidden file": {".keep": ""},
    "a cluster": {"PG_VERSION": "15\n", "base": {"1": "rows"}, "postgresql.conf": ""},
    "a cluster of our version": {"PG_VERSION": "18\n", "base": {"1": "rows"}},
    "a cluster that another program starts": {
        "PG_VERSION": "18\n",
        "postmaster.opts": '/usr/bin/postgres "-D" "/data"\n',
    },
    "half of a cluster": {"base": {"1": "rows"}, "global": {}},
    "an empty marker": {MARKER: "", "base": {"1": "rows"}},
    "a marker of other content": {MARKER: "This is mine.\n", "base": {"1": "rows"}},
    "a folder in place of the marker": {MARKER: {"x": "y"}},
    "a link in place of the marker": {MARKER: ("link", "base"), "base": "x"},
    "a file in its place": "not a folder",
    "a link in its place": ("link", "elsewhere"),
    "a hostile version": {"PG_VERSION": "\x1b[31m" + "9" * 300_000, "base": {"1": "rows"}},
    "many files": {f"file {n}": "" for n in range(1_000)},
}


@pytest.mark.parametrize("place", ["postgres", "postgres.new"])
@pytest.mark.parametrize("tree", FOREIGN.values(), ids=FOREIGN)
def test_foreign_files_are_rejected_and_kept(home, tree, place):
    """Whether they are in place of the cluster, or of the unfinished one."""
    plant(home / place, tree)
    before = snapshot(home)
    with pytest.raises(AuditError, match="nothing was changed") as refused, embedded_postgres(home):
        pass
    assert len(str(refused.value)) < 500
    assert str(refused.value).isprintable()
    assert "emove" not in str(refused.value)
    locks = {"postgres.lock", "postgres.users.lock"} if place == "postgres.new" else set()
    assert {name: found for name, found in snapshot(home).items() if name not in locks} == before


def test_has_cluster_creates_nothing(home):
    assert not has_cluster(home / "missing")
    assert not has_cluster(home)
    assert snapshot(home) == {}


def test_an_unfinished_cluster_is_created_again(home):
    """The process that ran initdb was killed."""
    command = [sys.executable, "-c", HOLD, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        unfinished = data_folder(home).with_name("postgres.new")
        while not (unfinished / "data" / "base").exists():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()
    assert not data_folder(home).exists()
    assert not has_cluster(home)
    with embedded_postgres(home) as folder:
        start_time_of(folder)
    assert not unfinished.exists()
    assert has_cluster(home)


def test_a_cluster_of_an_earlier_release_is_marked_and_used(home):
    with embedded_postgres(home) as folder:
        first = start_time_of(folder)
    marker = data_folder(home) / MARKER
    marker.unlink()
    assert has_cluster(home)
    with embedded_postgres(home) as folder:
        assert start_time_of(folder) > first
    assert is_marked(data_folder(home))
    marker.unlink()
    (data_folder(home) / "postmaster.opts").write_text('/usr/lib/postgresql/18/bin/postgres "-D" "/data"\n')
    with pytest.raises(AuditError, match="cluster of PostgreSQL 18 that cybersec-assets did not make"):
        has_cluster(home)


def test_a_cluster_without_or_of_another_version_is_kept(home):
    """The message names the version and ways to keep the data."""
    data = data_folder(home)
    make_marked(data, 0o700)
    shutil.chown(data, "nobody") if os.geteuid() == 0 else None
    plant(data, {"PG_VERSION": "17\n", "base": {"1": "rows"}})
    before = snapshot(data)
    with (
        pytest.raises(AuditError, match=r"cluster of PostgreSQL 17, .* has PostgreSQL 18\. .*pg_dumpall") as refused,
        embedded_postgres(home),
    ):
        pass
    assert "emove" not in str(refused.value)
    assert snapshot(data) == before
    (data / "PG_VERSION").unlink()
    with pytest.raises(AuditError, match="has no PG_VERSION"), embedded_postgres(home):
        pass
    assert (data / "base" / "1").read_text() == "rows"


def test_a_socket_folder_with_other_files_is_not_removed(home):
    deep = home / ("d" * 100)
    with embedded_postgres(deep) as folder:
        (folder / "note").write_text("mine")
    assert (folder / "note").read_text() == "mine"
    shutil.rmtree(folder)


@as_root
@pytest.mark.parametrize("size", ["1m", "8m", "20m"])
def test_a_full_disk_is_named(home, size):
    """The message has initdb's own reason, and nothing is left on the disk."""
    disk = home / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=True)
    try:
        with pytest.raises(AuditError, match=FULL) as refused, embedded_postgres(disk / "home"):
            pass
        assert len(str(refused.value)) < 500
        assert sorted(path.name for path in (disk / "home").iterdir()) == ["postgres.lock", "postgres.users.lock"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@as_root
@pytest.mark.parametrize("options", [["-t", "tmpfs", "-o", "size=1m", "none"], ["--bind", "elsewhere"]])
def test_a_mount_point_is_rejected_with_a_remedy(home, options):
    """A finished cluster cannot be moved onto a mount point."""
    (home / "elsewhere").mkdir()
    (home / "postgres").mkdir()
    subprocess.run(["mount", *options, str(home / "postgres")], check=True, cwd=home)
    try:
        with pytest.raises(AuditError, match=r"must not itself be a mount point.*Mount CYBERSEC_HOME instead"):
            embedded_postgres(home).__enter__()
        assert not (home / "postgres.new").exists()
        assert list((home / "postgres").iterdir()) == []
    finally:
        subprocess.run(["umount", str(home / "postgres")], check=True)
