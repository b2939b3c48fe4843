"""A PgBouncer for the tests' PostgreSQL, which is installed if it is missing and root runs the tests."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cybersec_assets_tests.support.servers.servers import HOST, UNPRIVILEGED, Postgres, free_port, wait_until

SEARCH_PATH = f"{os.defpath}:/usr/sbin:/usr/local/sbin"
INSTALL = ["apt-get", "install", "--yes", "--no-install-recommends", "pgbouncer"]
CONFIG = """
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = {host}
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
{more}
"""


def pgbouncer_binary() -> str:
    """Return PgBouncer's program.

    Raises:
        FileNotFoundError: It is missing and cannot be installed.
    """
    if shutil.which("pgbouncer", path=SEARCH_PATH) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update"], check=False, env=environment, **quiet)
        subprocess.run(INSTALL, check=False, env=environment, **quiet)
    found = shutil.which("pgbouncer", path=SEARCH_PATH)
    if found is None:
        raise FileNotFoundError("no pgbouncer: apt-get install pgbouncer")
    return found


@contextmanager
def pgbouncer(binary: str, folder: Path, pg: Postgres, mode: str, *more: str) -> Iterator[int]:
    """Run PgBouncer in a pool mode, with additional settings, and yield its port."""
    port = free_port()
    settings = folder / f"pgbouncer-{port}.ini"
    settings.write_text(
        CONFIG.format(
            host=HOST, port=pg.port, user=pg.user, password=pg.password, listen=port, mode=mode, more="\n".join(more)
        )
    )
    root = os.geteuid() == 0
    process = subprocess.Popen(
        [binary, "-q", str(settings)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=UNPRIVILEGED if root else None,
        group=pwd.getpwnam(UNPRIVILEGED).pw_gid if root else None,
        extra_groups=[] if root else None,
    )
    try:
        wait_until(lambda: _listens(port), "PgBouncer")
        yield port
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
