"""A run's own folder for the files that it writes, so that its later phases need not download them again."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from cybersec_assets.artifact import Artifact
from cybersec_assets.failpoints import Point, hit
from cybersec_assets.stores.base import split_uri


class ScratchResource:
    """A folder that exists for one run.

    Args:
        parent: The folder's parent; the system's temporary folder if None.
    """

    def __init__(self, parent: Path | None) -> None:
        self._parent = parent
        self._run = "load"
        self._folder: Path | None = None

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["ScratchResource"]:
        """Remove the folder when the run ends, also after an error."""
        self._run = context.run.run_id if context.run else self._run
        try:
            yield self
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                hit(Point.SCRATCH_REMOVED)

    def folder(self) -> Path:
        """Return the run's folder.

        It is created at the first call, within a phase, so that an error fails the phase.
        """
        if self._folder is None:
            parent = self._parent or Path(tempfile.gettempdir())
            parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f"cybersec-{self._run}-", dir=parent))
        return self._folder

    def new_file(self, name: str) -> Path:
        """Return a path to write to, in a new folder, so that a retry never finds an earlier attempt's file."""
        return Path(tempfile.mkdtemp(dir=self.folder())) / name

    def path_of(self, artifact: Artifact) -> Path:
        """Return the path of the run's copy of an object, which need not exist.

        Raises:
            StoreError: The URI would be a path out of the run's folder.
        """
        path = self.folder().joinpath(*split_uri(artifact.uri))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
