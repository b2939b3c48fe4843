"""A temporary, empty MinIO for benchmarks."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.child import CHECKOUT

KEY = {"MINIO_ACCESS_KEY": "benchmark", "MINIO_SECRET_KEY": "benchmark-only"}
START_SECONDS = 30


@contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str]]:
    """Run MinIO on a free port of this machine.

    Args:
        folder: The folder of its data.

    Yields:
        The variables that configure the product for it. Empty if no MinIO is installed.
    """
    program = _minio()
    if program is None:
        yield {}
        return
    address = f"127.0.0.1:{_free_port()}"
    account = {"MINIO_ROOT_USER": KEY["MINIO_ACCESS_KEY"], "MINIO_ROOT_PASSWORD": KEY["MINIO_SECRET_KEY"]}
    command = [program, "server", str(folder), "--quiet", "--address", address, "--console-address", "127.0.0.1:0"]
    server = subprocess.Popen(command, env=os.environ | account, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://{address}/minio/health/live")
        yield {"MINIO_ENDPOINT": address, **KEY}
    finally:
        server.terminate()
        server.wait()


def _minio() -> str | None:
    """Return the MinIO program of the tests, or an installed one."""
    tool = Path(os.environ.get("CYBERSEC_TEST_CLUSTER") or _beside_the_checkout()) / "cluster"
    if tool.is_file():
        asked = subprocess.run([tool, "tool", "minio"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return asked.stdout.strip()
    return shutil.which("minio")


def _beside_the_checkout() -> Path:
    return CHECKOUT.parent / "shared" / "cluster"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
