"""One execution of an asset for one partition, as it is while it works."""

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
        lock: The advisory lock that says that its worker lives.
        inputs: What it read: objects by their asset, files by their path.
        facts: The values of its table's own columns, as far as they are known.
        began: The monotonic clock's seconds when it was opened.
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
        """Tell for how long the phase has been open."""
        return time.monotonic() - self.began

    def read(self, asset: str, artifact: Artifact) -> None:
        """Note an object that the phase reads; the same one is noted once."""
        size, sha256 = artifact.fingerprint.size, artifact.fingerprint.sha256
        entry: dict[str, object] = {"asset": asset, "uri": artifact.uri, "sha256": sha256, "size": size}
        if entry not in self.inputs:
            self.inputs.append(entry)

    def input_uri(self, asset: str | None) -> str | None:
        """Give the object that was read of an asset, if one was."""
        return next((str(entry["uri"]) for entry in self.inputs if "asset" in entry and entry["asset"] == asset), None)

    def input_name(self, asset: str) -> str:
        """Give the name of the object that was read of an asset; empty if none was."""
        return (self.input_uri(asset) or "").rpartition("/")[2]
