"""One execution of an asset for one partition, while it is open."""

import time
from dataclasses import dataclass, field

from cybersec_assets.artifact import Artifact


@dataclass
class Phase:
    """One execution of an asset for one partition.

    Attributes:
        asset: The asset's key, `layer/name`.
        partition: The day, `YYYY-MM-DD`.
        run_id: The Dagster run.
        attempt: Its number within the run, from 1.
        lock: The advisory lock that its worker holds.
        inputs: What it read: objects by their asset, files by their path.
        facts: What the asset recorded so far; see `tables.FACTS`.
        began: The monotonic clock's seconds at its start.
    """

    asset: str
    partition: str
    run_id: str
    attempt: int
    lock: int
    inputs: list[dict[str, object]] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Return how long the phase has been open."""
        return time.monotonic() - self.began

    def read(self, asset: str, artifact: Artifact) -> None:
        """Record an object that the phase reads. An object that was recorded before is not added again."""
        size = artifact.fingerprint.size
        sha256 = artifact.fingerprint.sha256
        entry: dict[str, object] = {"asset": asset, "uri": artifact.uri, "sha256": sha256, "size": size}
        if entry not in self.inputs:
            self.inputs.append(entry)

    def input_uri(self, asset: str | None) -> str | None:
        """Return the URI of the object of an asset that the phase read; None if it read none."""
        return next((str(entry["uri"]) for entry in self.inputs if "asset" in entry and entry["asset"] == asset), None)

    def input_name(self, asset: str) -> str:
        """Return the name of the object of an asset that the phase read; empty if it read none."""
        return (self.input_uri(asset) or "").rpartition("/")[2]
