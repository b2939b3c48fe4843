"""Full volumes. The cluster's volumes are folders on the node's disk, so a small disk is mounted over one."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from cybersec_assets_tests.support.cluster.chart import FULLNAME
from cybersec_assets_tests.support.cluster.release import Release

DISK_BYTES = 1536 << 20
"""MinIO treats a disk with less than 900 MiB of free space as full."""


@contextmanager
def small_disk(release: Release, store: str) -> Iterator[Path]:
    """Move a bundled store's volume to a small disk, and yield its folder."""
    folder = _folder(release, store)
    with NamedTemporaryFile(suffix=".ext4") as disk, TemporaryDirectory() as aside, ExitStack() as undo:
        disk.truncate(DISK_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", disk.name)
        undo.callback(_scale, release, store, 1)
        _scale(release, store, 0)
        undo.callback(_move, Path(aside), folder)
        _move(folder, Path(aside))
        _run("mount", "-o", "loop", disk.name, folder)
        undo.callback(_run, "umount", folder)
        (folder / "lost+found").rmdir()
        _move(Path(aside), folder)
        undo.callback(_move, folder, Path(aside))
        undo.callback(_scale, release, store, 0)
        _scale(release, store, 1)
        yield folder


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill a disk completely for a while."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file, suppress(OSError):
        # The file system's own metadata needs space, too, so the last blocks do not fit.
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free)
    try:
        assert shutil.disk_usage(folder).free == 0
        yield
    finally:
        ballast.unlink()


def _folder(release: Release, store: str) -> Path:
    """Return the folder of a store's volume on the node, which is this machine."""
    claim = json.loads(release.namespace.kubectl("get", "pvc", f"data-{FULLNAME}-{store}-0", "-o", "json"))
    volume = json.loads(release.namespace.kubectl("get", "pv", claim["spec"]["volumeName"], "-o", "json"))["spec"]
    return Path((volume.get("hostPath") or volume["local"])["path"])


def _scale(release: Release, store: str, replicas: int) -> None:
    release.namespace.kubectl("scale", f"statefulset/{FULLNAME}-{store}", f"--replicas={replicas}")
    if replicas:
        release.namespace.kubectl("rollout", "status", f"statefulset/{FULLNAME}-{store}", "--timeout=120s")
    else:
        release.namespace.kubectl("wait", "--for=delete", f"pod/{FULLNAME}-{store}-0", "--timeout=120s")


def _move(folder: Path, to: Path) -> None:
    """Move the content of a folder, with its owners, to another disk."""
    _run("cp", "-a", f"{folder}/.", to)
    _run("find", folder, "-mindepth", "1", "-delete")


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)
