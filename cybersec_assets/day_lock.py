"""At most one run of a day from a shell, and the end of runs whose process was killed.

Each running process holds a lock on a file named after the day, which has the run's ID. The system frees the lock
however the process ends, so that a file without a holder is what a killed process left. Its run would stay "Started" in
Dagster for ever and, by the instance's limit of one run for each day, keep the UI from running the day again.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import dagster as dg

from cybersec_assets.errors import RunInProgressError
from cybersec_assets.home import claim, is_marked

SUFFIX = ".lock"
DIED = "The process of this run ended without a result."


@contextmanager
def only_run_of(day: str, folder: Path) -> Iterator[Callable[[str], None]]:
    """Hold a day's lock.

    Args:
        day: The partition's key.
        folder: Where the locks are; made where it is missing.

    Yields:
        What writes the run's ID into the lock's file.

    Raises:
        RunInProgressError: Another process holds the lock.
        SettingsError: The folder holds files of somebody else.
    """
    claim(folder, lambda _folder: False)
    path = folder / f"{day}{SUFFIX}"
    file = _locked(path)
    if file is None:
        raise RunInProgressError(day, path.read_text().strip() if path.exists() else "")

    def note(run_id: str) -> None:
        file.truncate(0)
        file.write(run_id)
        file.flush()

    with file:
        try:
            yield note
        finally:
            path.unlink(missing_ok=True)


def fail_dead_runs(instance: dg.DagsterInstance, folder: Path) -> None:
    """Mark the runs as failed whose process is gone; those of another instance stay as they are."""
    # Files in a folder without a marker are somebody else's.
    for path in folder.glob(f"*{SUFFIX}") if is_marked(folder) else ():
        file = _locked(path)
        if file is None:
            continue
        with file:
            file.seek(0)
            run_id = file.read().strip()
            run = instance.get_run_by_id(run_id) if run_id else None
            if run is not None and not run.is_finished:
                instance.report_run_failed(run, DIED)
            if run is not None or not run_id:
                path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str] | None:
    """Open and lock a file; return nothing where somebody else holds the lock."""
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if _is(path, file):
            return file
        # Its holder has removed it between our opening and locking it.
        file.close()


def _is(path: Path, file: IO[str]) -> bool:
    """Return whether an open file still has its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
