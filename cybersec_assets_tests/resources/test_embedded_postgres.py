"""The embedded server is shared by all users of a home, and is gone with the last of them."""

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
from cybersec_assets.resources import embedded_postgres as module
from cybersec_assets.resources.embedded_postgres import data_folder, embedded_postgres

HOLD = "import sys; from pathlib import Path; from cybersec_assets.resources.embedded_postgres import *\n"
HOLD += "with embedded_postgres(Path(sys.argv[1])): print('up', flush=True); sys.stdin.read()"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root must give way to another user")


@pytest.fixture
def home():
    """A home that any user may reach."""
    folder = Path(tempfile.mkdtemp(prefix="cybersec-home-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def holder(home):
    """Another process that uses the server of the home."""
    command = [sys.executable, "-c", HOLD, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def is_up(home):
    """Tell whether a server runs in a home."""
    return (data_folder(home) / "postmaster.pid").exists()


def wait_until_dead(number):
    """Wait until a killed process is gone, or only waits for its parent to notice."""
    deadline = time.monotonic() + 30
    status = Path(f"/proc/{number}/stat")
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ask(folder):
    """Ask a server for its process number."""
    connection = psycopg2.connect(host=str(folder), user="postgres", dbname="postgres")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_postmaster_start_time()")
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_the_last_user_stops_it_and_the_data_stays(home):
    """It answers while it is used, is gone afterwards, and comes back with what it held."""
    with embedded_postgres(home) as folder:
        first = ask(folder)
    assert not is_up(home)
    with embedded_postgres(home) as folder:
        assert ask(folder) > first


def test_two_users_share_one_server(home, holder):
    """A second process finds the first one's server, and leaving does not take it away."""
    with embedded_postgres(home) as folder:
        started = ask(folder)
    assert is_up(home)
    assert ask(data_folder(home)) == started
    holder.communicate("")
    assert not is_up(home)


def test_a_killed_user_does_not_keep_it_up(home, holder):
    """A process that was killed counts no more, so that the next to leave stops the server."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with embedded_postgres(home) as folder:
        ask(folder)
    assert not is_up(home)


def test_it_comes_back_after_a_crash(home):
    """A server that was killed is started again by the next user, whatever it left lying about."""
    with embedded_postgres(home) as folder:
        first = ask(folder)
        number = int((data_folder(home) / "postmaster.pid").read_text().splitlines()[0])
        os.kill(number, signal.SIGKILL)
        wait_until_dead(number)
        with embedded_postgres(home) as again:
            assert ask(again) > first


def test_a_home_too_deep_for_a_socket_works(home):
    """Where the data folder's path is too long for a Unix socket, the socket lies elsewhere."""
    deep = home / ("d" * 100)
    with embedded_postgres(deep) as folder:
        assert not folder.is_relative_to(deep)
        ask(folder)
    assert not folder.exists()


def test_only_the_owner_may_enter(home):
    """The folder that holds the socket is closed to everybody else, which is all its protection."""
    with embedded_postgres(home) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_socket_folder_of_somebody_else_is_refused(home, monkeypatch):
    """A folder that another user made where ours should be is not used."""
    stranger = home / "theirs"
    stranger.mkdir(mode=0o700)
    os.chown(stranger, 12_345, -1) if os.geteuid() == 0 else pytest.skip("only root can give a folder away")
    monkeypatch.setattr(module, "_short_folder", lambda _data: stranger)
    with pytest.raises(AuditError, match="open to somebody else"), embedded_postgres(home / ("d" * 100)):
        pass


def test_a_socket_folder_that_is_open_is_refused(home, monkeypatch):
    """A folder that others may enter, or a link to one, is not used: whoever gets to the socket is trusted."""
    ours, link = home / "ours", home / "link"
    ours.mkdir(mode=0o755)
    link.symlink_to(ours)
    for folder in (ours, link):
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        monkeypatch.setattr(module, "_short_folder", lambda _data, folder=folder: folder)
        with pytest.raises(AuditError, match="open to somebody else"), embedded_postgres(home / ("d" * 100)):
            pass


def test_a_path_that_a_shell_would_read_is_refused(home):
    """A home with a character that pg_ctl would hand to a shell is refused by name."""
    with pytest.raises(AuditError, match=r"cannot take the path .*\$\(touch"), embedded_postgres(home / "$(touch x)"):
        pass


@as_root
def test_roots_closed_home_stays_closed(home):
    """Root's server for a home that others may not reach lies elsewhere, and no folder's mode is changed."""
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    state = home / "state"
    with embedded_postgres(closed / "home", state) as folder:
        ask(folder)
        assert folder.is_relative_to(state)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_programs_out_of_reach_are_copied(home, monkeypatch):
    """Root's programs that others may not reach are run from a copy, which appears whole."""
    monkeypatch.setattr(module, "_is_open", lambda path: path.name != "postgres" or "pginstall" not in path.parts)
    with embedded_postgres(home, home / "state") as folder:
        ask(folder)
    assert [entry.name.split("-")[0] for entry in (home / "state").iterdir()] == ["postgresql"]


def test_a_server_that_does_not_start_says_where_its_log_is(home):
    """A damaged data folder ends in one line that names it and its log."""
    with embedded_postgres(home):
        pass
    (data_folder(home) / "postgresql.conf").write_text("no such setting\n")
    with pytest.raises(AuditError, match=r"does not start: pg_ctl.*server\.log, or set PG_HOST"):  # noqa: SIM117
        with embedded_postgres(home):
            pass
