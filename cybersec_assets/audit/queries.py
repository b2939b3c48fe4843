"""The questions that the audit answers: what ran last, what trained a model, how much, and what failed.

All of them read one view of the event tables, in which a phase's row has the same columns whatever its table.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.audit.database import refusals
from cybersec_assets.audit.journal import FAILED, SUCCESS
from cybersec_assets.audit.tables import PHASES, PhaseTable, evaluation_events
from cybersec_assets.errors import NoRecordError

Row = dict[str, Any]
COMMON = ("estado", "run_id", "partition_key", "attempt", "started_at", "sha256", "size_bytes", "inputs", "error")


def _records(phase: PhaseTable) -> sa.ColumnElement[Any]:
    if "num_registros" in phase.table.c:
        return phase.table.c.num_registros
    return sa.cast(phase.table.c.metrics["flows"].astext, sa.BigInteger)


def _one_phase(asset: str, phase: PhaseTable) -> sa.Select[Any]:
    return sa.select(
        sa.literal(asset).label("asset"),
        phase.table.c.id,
        phase.table.c[phase.time].label("at"),
        phase.table.c[phase.path].label("uri"),
        _records(phase).label("records"),
        *(phase.table.c[name] for name in COMMON),
    )


EVENTS = sa.union_all(*(_one_phase(asset, phase) for asset, phase in PHASES.items())).subquery("events")


@dataclass(frozen=True)
class Record:
    """A phase's SUCCESS row: its asset, its object, and what it read."""

    asset: str
    artifact: Artifact
    inputs: list[Row]


class Audit:
    """Ask the audit.

    Args:
        engine: What `database.connect` gave.
    """

    def __init__(self, engine: sa.Engine) -> None:
        """Note whom to ask."""
        self.engine = engine

    def input_of(
        self, run_id: str, asset: str, partition: str, lineage_of: str | None = None, heir_uri: str | None = None
    ) -> Record:
        """Find the object that a phase reads of an asset.

        It is what the phase's own run wrote; otherwise the partition's last success. With `lineage_of`, it is what
        that asset's object was made from, so that two inputs of one phase are of one lineage; `heir_uri` is that
        object where the phase has read it, as a newer one may have come since.

        Raises:
            NoRecordError: There is none, or the run itself wrote another than `lineage_of` was made from.
        """
        own = self._success(asset, partition, run_id)
        if lineage_of is None:
            return own or self._last_success(asset, partition)
        heir = self._written(heir_uri) if heir_uri else self.input_of(run_id, lineage_of, partition)
        record = self._ancestor(heir, asset)
        if own is not None and own.artifact != record.artifact:
            raise NoRecordError(
                f"{heir.artifact.uri} was made from {record.artifact.uri}, not from this run's {own.artifact.uri}",
                f"Materialize {lineage_of} in the same run",
            )
        return record

    def last_run(self) -> list[Row]:
        """Give each phase's newest row."""
        newest = sa.select(EVENTS).ext(distinct_on(EVENTS.c.asset)).order_by(EVENTS.c.asset, EVENTS.c.at.desc())
        return self._in_graph_order(self._rows(newest))

    def of_run(self, run_id: str) -> list[Row]:
        """Give a run's rows."""
        return self._in_graph_order(self._rows(sa.select(EVENTS).where(EVENTS.c.run_id == run_id)))

    def metrics(self, run_id: str) -> Row | None:
        """Give the metrics of a run's successful evaluation."""
        table = evaluation_events.c
        rows = self._rows(sa.select(table.metrics).where(table.run_id == run_id, table.estado == SUCCESS))
        return dict(rows[0]["metrics"]) if rows else None

    def records(self, partition: str | None = None) -> list[Row]:
        """Give how many records each success handled, newest day first, optionally of one day only."""
        query = sa.select(EVENTS).where(EVENTS.c.estado == SUCCESS).order_by(EVENTS.c.partition_key.desc(), EVENTS.c.at)
        return self._rows(query if partition is None else query.where(EVENTS.c.partition_key == partition))

    def failures(self) -> list[Row]:
        """Give the FAILED rows, newest first."""
        return self._rows(sa.select(EVENTS).where(EVENTS.c.estado == FAILED).order_by(EVENTS.c.at.desc()))

    def lineage(self, model: str) -> list[Row]:
        """Give an object's row and those of all that it was made from, back to the source's files.

        Args:
            model: An object's URI, or its name.

        Raises:
            NoRecordError: No success wrote such an object.
        """
        chain, wanted = list[Row](), [model]
        while wanted:
            target = wanted.pop(0)
            ends_with = EVENTS.c.uri.endswith(f"/{target}", autoescape=True)
            matches = self._rows(
                sa.select(EVENTS).where(EVENTS.c.estado == SUCCESS, (EVENTS.c.uri == target) | ends_with)
            )
            if not matches:
                raise NoRecordError(
                    f"the audit knows no object {target}", "Give a name that `cybersec audit records` shows"
                )
            chain += [row for row in matches if row not in chain]
            wanted += [entry["uri"] for row in matches for entry in row["inputs"] if "asset" in entry]
        return chain

    def _success(self, asset: str, partition: str, run_id: str | None = None) -> Record | None:
        query = sa.select(EVENTS).where(
            EVENTS.c.asset == asset, EVENTS.c.partition_key == partition, EVENTS.c.estado == SUCCESS
        )
        if run_id is not None:
            query = query.where(EVENTS.c.run_id == run_id)
        rows = self._rows(query.order_by(EVENTS.c.id.desc()).limit(1))
        return _record(rows[0]) if rows else None

    def _written(self, uri: str) -> Record:
        rows = self._rows(sa.select(EVENTS).where(EVENTS.c.uri == uri, EVENTS.c.estado == SUCCESS))
        return _record(rows[0])

    def _last_success(self, asset: str, partition: str) -> Record:
        record = self._success(asset, partition)
        if record is None:
            raise NoRecordError(f"the audit has no success of {asset} for {partition}", f"Materialize {asset} first")
        return record

    def _ancestor(self, heir: Record, asset: str) -> Record:
        for entry in heir.inputs:
            if entry.get("asset") == asset:
                artifact = Artifact(entry["uri"], Fingerprint(entry["size"], entry["sha256"]))
                return Record(asset, artifact, [])
        raise NoRecordError(f"{heir.artifact.uri} was not made from {asset}", f"Materialize {heir.asset} again")

    def _rows(self, query: sa.Select[Any]) -> list[Row]:
        with refusals(self.engine.url), self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _in_graph_order(self, rows: list[Row]) -> list[Row]:
        order = list(PHASES)
        return sorted(rows, key=lambda row: order.index(row["asset"]))


def artifact_of(row: Row) -> Artifact:
    """Give the object that a SUCCESS row names."""
    return Artifact(row["uri"], Fingerprint(row["size_bytes"], row["sha256"]))


def _record(row: Row) -> Record:
    return Record(row["asset"], artifact_of(row), row["inputs"])
