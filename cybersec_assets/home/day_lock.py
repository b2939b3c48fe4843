"""Allow one run of a day at a time from a shell, and fail the runs of processes that were killed.

Each running process holds a lock on a file that is named after the day and contains the run's ID. The system releases
the lock however the process ends, so a file without a lock was left by a killed process. Dagster would show its run as
"Started" for ever and, because the instance allows one run for each day, the UI could not run the day again.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cybersec_assets.errors import RunInProgressError
from cybersec_assets.home.folders import claim, is_marked

if TYPE_CHECKING:
    import dagster as dg

SUFFIX = ".lock"
DIED = "The process of this run ended without a result."


@contextmanager
def only_run_of(day: str, folder: Path) -> Iterator[Callable[[str], None]]:
    """Hold a day's lock.

    Args:
        day: The partition's key.
        folder: The folder of the locks, which is created where it is missing.

    Yields:
        A function that writes the run's ID into the lock's file.

    Raises:
        RunInProgressError: Another process holds the lock.
        SettingsError: The folder holds files that cybersec-assets did not make.
    """
    claim(folder, lambda _folder: False)
    path = folder / f"{day}{SUFFIX}"
    file = _open_locked(path)
    if file is None:
        raise RunInProgressError(day, run_id_in(path))

    def write_run_id(run_id: str) -> None:
        file.truncate(0)
        file.write(run_id)
        file.flush()

    with file:
        try:
            yield write_run_id
        finally:
            path.unlink(missing_ok=True)


def run_id_in(path: Path) -> str:
    """Return the run's ID from a lock's file, or an empty text where the file is empty or gone."""
    # The run may end, and remove its file, at any time.
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    return ""


def fail_dead_runs(instance: "dg.DagsterInstance", folder: Path) -> None:
    """Mark the runs of killed processes as failed. Runs of another instance are left as they are."""
    # A folder without a marker belongs to another program.
    for path in folder.glob(f"*{SUFFIX}") if is_marked(folder) else ():
        file = _open_locked(path)
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


def _open_locked(path: Path) -> IO[str] | None:
    """Open and lock a file. Return None where another process holds the lock."""
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        # The process that held the lock before may have removed the file after it was opened here.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()
