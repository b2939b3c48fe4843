"""A run's own folder for what it wrote, so that its later phases need not download it again."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from cybersec_assets.artifact import Artifact


class ScratchResource(dg.ConfigurableResource["ScratchResource"]):
    """A folder that lives as long as the run."""

    parent: str | None = Field(None, description="Where the run's folder is made; the temporary directory if unset.")
    _folder: Path = PrivateAttr(default=Path())

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["ScratchResource"]:
        """Make the folder, and remove it when the run ends, however it ends."""
        parent = Path(self.parent or tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(
            tempfile.mkdtemp(prefix=f"cybersec-{context.run.run_id if context.run else 'load'}-", dir=parent)
        )
        try:
            yield self
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def new_file(self, name: str) -> Path:
        """Give a path to write to, in a folder of its own, so that a retry never meets an earlier try's file."""
        return Path(tempfile.mkdtemp(dir=self._folder)) / name

    def place_of(self, artifact: Artifact) -> Path:
        """Give the path at which an object's copy is kept."""
        place = self._folder / artifact.uri.removeprefix("s3://")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place
