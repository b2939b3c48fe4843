"""A run's own folder for what it wrote, so that its later phases need not download it again."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from cybersec_assets.artifact import Artifact
from cybersec_assets.failpoints import Point, hit
from cybersec_assets.stores.base import split_uri


class ScratchResource(dg.ConfigurableResource["ScratchResource"]):
    """A folder that lives as long as the run."""

    parent: str | None = Field(None, description="Where the run's folder is made; the temporary directory if unset.")
    _run: str = PrivateAttr(default="load")
    _folder: Path | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["ScratchResource"]:
        """Remove the folder when the run ends, however it ends."""
        self._run = context.run.run_id if context.run else self._run
        try:
            yield self
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                hit(Point.SCRATCH_REMOVED)

    def folder(self) -> Path:
        """Give the run's folder, made at the first call: that is within a phase, which fails where it cannot be."""
        if self._folder is None:
            parent = Path(self.parent or tempfile.gettempdir())
            parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f"cybersec-{self._run}-", dir=parent))
        return self._folder

    def new_file(self, name: str) -> Path:
        """Give a path to write to, in a folder of its own, so that a retry never meets an earlier try's file."""
        return Path(tempfile.mkdtemp(dir=self.folder())) / name

    def place_of(self, artifact: Artifact) -> Path:
        """Return the path at which an object's copy is kept.

        Raises:
            StoreError: The URI would be a path out of the run's folder.
        """
        place = self.folder().joinpath(*split_uri(artifact.uri))
        place.parent.mkdir(parents=True, exist_ok=True)
        return place
