"""The write path of the audit: a phase is opened, and then it succeeds or fails.

    open → (the phase's work) → succeed or fail, once

Opening asks the database for the time and the attempt's number, so that no work begins while the audit is away.
"""

import datetime as dt
import time
from dataclasses import dataclass, field

import sqlalchemy as sa

from cybersec_assets.artifact import Artifact
from cybersec_assets.audit.database import refusals
from cybersec_assets.audit.tables import PHASES
from cybersec_assets.errors import AuditError, first_line

SUCCESS, FAILED = "SUCCESS", "FAILED"


@dataclass
class Phase:
    """One execution of an asset for one partition.

    Attributes:
        asset: The asset's key, `layer/name`.
        partition: The day, `YYYY-MM-DD`.
        run_id: The Dagster run.
        attempt: Its number within the run, from 1.
        started_at: UTC, by the database's clock.
        inputs: What it read: objects by their asset, files by their path.
        facts: The values of its table's own columns, as far as they are known.
        began: The monotonic clock's seconds when it was opened.
    """

    asset: str
    partition: str
    run_id: str
    attempt: int
    started_at: dt.datetime
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


class Journal:
    """Write phases down.

    Args:
        engine: What `database.connect` gave.
        run_id: The Dagster run whose phases these are.
    """

    def __init__(self, engine: sa.Engine, run_id: str) -> None:
        """Note where to write and for which run."""
        self.engine = engine
        self.run_id = run_id

    def open(self, asset: str, partition: str) -> Phase:
        """Begin a phase.

        Raises:
            AuditError: The database cannot be reached: the phase must not work.
        """
        table = PHASES[asset].table
        earlier = sa.func.count().filter(table.c.run_id == self.run_id, table.c.partition_key == partition)
        now = sa.func.timezone("utc", sa.func.clock_timestamp())
        with refusals(self.engine.url), self.engine.connect() as connection:
            attempts, started_at = connection.execute(sa.select(earlier, now).select_from(table)).one()
        return Phase(asset, partition, self.run_id, attempts + 1, started_at)

    def succeed(self, phase: Phase, artifact: Artifact) -> None:
        """Write SUCCESS for an object that is stored and was read back.

        Raises:
            AuditError: It could not be written, the phase has its row already, or a fact is not known.
        """
        if missing := sorted(set(PHASES[phase.asset].empty) - set(phase.facts) - {"nombre_archivo"}):
            # A made-up value would be a false record.
            raise AuditError(f"{phase.asset} noted no {', '.join(missing)}", "Have the asset note it in its phase")
        self._write(
            phase,
            SUCCESS,
            {PHASES[phase.asset].path: artifact.uri, "nombre_archivo": artifact.name},
            {"sha256": artifact.fingerprint.sha256, "size_bytes": artifact.fingerprint.size},
        )

    def fail(self, phase: Phase, error: BaseException) -> None:
        """Write FAILED with the error's first line.

        Raises:
            AuditError: It could not be written, or the phase has its row already.
        """
        phase.facts.clear()
        self._write(phase, FAILED, {PHASES[phase.asset].path: ""}, {"error": first_line(error)})

    def _write(self, phase: Phase, state: str, place: dict[str, str], proof: dict[str, object]) -> None:
        target = PHASES[phase.asset]
        own = target.empty | phase.facts | {name: value for name, value in place.items() if name in target.table.c}
        row = (
            own
            | proof
            | {
                "estado": state,
                "run_id": phase.run_id,
                "partition_key": phase.partition,
                "attempt": phase.attempt,
                "started_at": phase.started_at,
                "inputs": phase.inputs,
            }
        )
        with refusals(self.engine.url), self.engine.begin() as connection:
            connection.execute(sa.insert(target.table).values(row))
