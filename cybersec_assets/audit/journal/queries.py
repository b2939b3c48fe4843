"""The questions that the audit answers: what ran last, what trained a model, how much, and what failed.

All of them read the views of the database, so that whoever has only SQL gets the same answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, distinct_on

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.audit.journal.journal import SUCCESS
from cybersec_assets.audit.journal.tables import PHASES, evaluation_events
from cybersec_assets.errors import NoRecordError
from cybersec_assets.phases import RAW
from cybersec_assets.postgres.database import Database

Row = dict[str, Any]


def _view(name: str, *columns: str) -> sa.TableClause:
    documents = {"inputs", "details", "libraries", "rejected", "lines"}
    typed = (sa.column(column, JSONB if column in documents else None) for column in columns)
    return sa.table(name, *typed, schema="public")


_COLUMNS = (
    *("asset", "table_name", "id", "at", "uri", "records", "estado", "run_id", "partition_key", "attempt"),
    *("started_at", "sha256", "size_bytes", "inputs", "error", "journal_seq", "code_version", "libraries", "details"),
    *("rejected", "lines"),
)
PHASES_VIEW = _view("audit_phases", *_COLUMNS)
LAST_RUN = _view("audit_last_run", *_COLUMNS)
RECORDS = _view("audit_records", *_COLUMNS)
FAILURES = _view("audit_failures", *_COLUMNS)
ANOMALIES = _view("audit_anomalies", "what", "asset", "partition_key", "run_id", "at", "uri", "value", "low", "high")
MODELS = _view(
    "audit_models",
    *("model", "trained_at", "partition_key", "run_id", "records", "raw", "file", "file_size", "file_sha256"),
)


@dataclass(frozen=True)
class Record:
    """A phase's SUCCESS row.

    Attributes:
        asset: The asset's key.
        artifact: Its object.
        inputs: What it was made from.
        row: Its table and id, for people.
        details: What a model was trained with, or an evaluation's metrics.
        libraries: The versions that made it, by library.
    """

    asset: str
    artifact: Artifact
    inputs: list[Row]
    row: str
    details: Row
    libraries: Row


@dataclass(frozen=True)
class Sources:
    """What a day's raw layer was made from.

    Attributes:
        partition: The day, `YYYY-MM-DD`.
        files: What its row says of each file: `file`, and as far as it was noted `size`, `mtime` and `sha256`.
    """

    partition: str
    files: list[Row]


class Audit:
    """Ask the audit.

    Args:
        database: What `schema.connect` gave.
    """

    def __init__(self, database: Database) -> None:
        """Note whom to ask."""
        self.database = database

    def input_of(
        self, run_id: str, asset: str, partition: str, lineage_of: str | None = None, descendant_uri: str | None = None
    ) -> Record:
        """Find the object that a phase reads of an asset.

        It is what the phase's own run wrote; otherwise the partition's last success. With `lineage_of`, it is what
        that asset's object was made from, so that two inputs of one phase are of one lineage; `descendant_uri` is that
        object where the phase has read it, as a newer one may have come since.

        Raises:
            NoRecordError: There is none, or the run itself wrote another than `lineage_of` was made from.
        """
        own = self._success(asset, partition, run_id)
        if lineage_of is None:
            return own or self._last_success(asset, partition)
        heir = self._written(descendant_uri) if descendant_uri else self.input_of(run_id, lineage_of, partition)
        record = self._ancestor(heir, asset)
        if own is not None and own.artifact != record.artifact:
            raise NoRecordError(
                f"{heir.artifact.uri} was made from {record.artifact.uri}, not from this run's {own.artifact.uri}",
                f"Materialize {lineage_of} in the same run",
            )
        return record

    def last_run(self) -> list[Row]:
        """Give each phase's newest row."""
        return self._in_graph_order(self._rows(sa.select(LAST_RUN)))

    def of_run(self, run_id: str) -> list[Row]:
        """Give a run's rows."""
        return self._in_graph_order(self._rows(sa.select(PHASES_VIEW).where(PHASES_VIEW.c.run_id == run_id)))

    def metrics(self, run_id: str) -> Row | None:
        """Give the metrics of a run's successful evaluation."""
        table = evaluation_events.c
        rows = self._rows(sa.select(table.metrics).where(table.run_id == run_id, table.estado == SUCCESS))
        return dict(rows[0]["metrics"]) if rows else None

    def records(self, partition: str | None = None) -> list[Row]:
        """Give how many records each success handled, newest day first, optionally of one day only."""
        query = sa.select(RECORDS).order_by(RECORDS.c.partition_key.desc(), RECORDS.c.at)
        return self._rows(query if partition is None else query.where(RECORDS.c.partition_key == partition))

    def objects(self) -> list[tuple[Row, Artifact]]:
        """Give each object that must be there, with its row: what a success wrote, and what lines were set aside in."""
        view = PHASES_VIEW.c
        query = sa.select(PHASES_VIEW).where((view.estado == SUCCESS) | view.rejected.is_not(None))
        rows = self._rows(query.order_by(view.partition_key.desc(), view.at))
        return [(row, artifact) for row in rows for artifact in _artifacts_of(row)]

    def sources(self, limit: int) -> list[Sources]:
        """Give the files that the newest days were made from, newest first, as their last successes say.

        Args:
            limit: Of how many days; only days with a success count.
        """
        day, query = RECORDS.c.partition_key, sa.select(RECORDS).where(RECORDS.c.asset == RAW.asset)
        newest = query.ext(distinct_on(day)).order_by(day.desc(), RECORDS.c.journal_seq.desc()).limit(limit)
        return [
            Sources(row["partition_key"], [entry for entry in row["inputs"] if "file" in entry])
            for row in self._rows(newest)
        ]

    def failures(self) -> list[Row]:
        """Give the FAILED rows, newest first; those of phases that were abandoned are among them."""
        return self._rows(sa.select(FAILURES).order_by(FAILURES.c.journal_seq.desc()))

    def anomalies(self) -> list[Row]:
        """Give the results that stand out, newest day first: see the view `audit_anomalies`."""
        return self._rows(sa.select(ANOMALIES).order_by(ANOMALIES.c.partition_key.desc(), ANOMALIES.c.what))

    def models_from(self, file: str) -> list[Row]:
        """Give the models that were trained from a source file, oldest first.

        Args:
            file: Its path as it was read, its name, or its SHA-256.

        Raises:
            NoRecordError: There is none.
        """
        named = (MODELS.c.file == file) | MODELS.c.file.endswith(f"/{file}", autoescape=True)
        rows = self._rows(sa.select(MODELS).where(named | (MODELS.c.file_sha256 == file)).order_by(MODELS.c.trained_at))
        if not rows:
            remedy = "Give a path, name or SHA-256 that `cybersec audit lineage --wide` (or `--json`) shows"
            raise NoRecordError(f"the audit knows no model that was trained from {file}", remedy)
        return rows

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
            ends_with = RECORDS.c.uri.endswith(f"/{target}", autoescape=True)
            matches = self._rows(sa.select(RECORDS).where((RECORDS.c.uri == target) | ends_with))
            if not matches:
                raise NoRecordError(
                    f"the audit knows no object {target}",
                    "Give a name that `cybersec audit records --wide` (or `--json`) shows",
                )
            chain += [row for row in matches if row not in chain]
            wanted += [entry["uri"] for row in matches for entry in row["inputs"] if "asset" in entry]
        return chain

    def _success(self, asset: str, partition: str, run_id: str | None = None) -> Record | None:
        query = sa.select(RECORDS).where(RECORDS.c.asset == asset, RECORDS.c.partition_key == partition)
        if run_id is not None:
            query = query.where(RECORDS.c.run_id == run_id)
        rows = self._rows(query.order_by(RECORDS.c.journal_seq.desc()).limit(1))
        return _record(rows[0]) if rows else None

    def _written(self, uri: str) -> Record:
        rows = self._rows(sa.select(RECORDS).where(RECORDS.c.uri == uri))
        if not rows:
            raise NoRecordError(f"the audit has no success that wrote {uri}", "Run `cybersec audit verify`")
        return _record(rows[0])

    def _last_success(self, asset: str, partition: str) -> Record:
        record = self._success(asset, partition)
        if record is None:
            raise NoRecordError(f"the audit has no success of {asset} for {partition}", f"Materialize {asset} first")
        return record

    def _ancestor(self, heir: Record, asset: str) -> Record:
        for entry in heir.inputs:
            if entry.get("asset") == asset:
                return self._written(entry["uri"])
        raise NoRecordError(f"{heir.artifact.uri} was not made from {asset}", f"Materialize {heir.asset} again")

    def _rows(self, query: sa.Select[Any]) -> list[Row]:
        return self.database.statement(lambda connection: [dict(row) for row in connection.execute(query).mappings()])

    def _in_graph_order(self, rows: list[Row]) -> list[Row]:
        order = list(PHASES)
        return sorted(rows, key=lambda row: order.index(row["asset"]))


def artifact_of(row: Row) -> Artifact:
    """Give the object that a SUCCESS row names."""
    return Artifact(row["uri"], Fingerprint(row["size_bytes"], row["sha256"]))


def _artifacts_of(row: Row) -> Iterator[Artifact]:
    if row["estado"] == SUCCESS:
        yield artifact_of(row)
    if row["rejected"]:
        yield Artifact(row["rejected"]["uri"], Fingerprint(row["rejected"]["size"], row["rejected"]["sha256"]))


def _record(row: Row) -> Record:
    made_with = row["details"] or {}, row["libraries"] or {}
    return Record(row["asset"], artifact_of(row), row["inputs"], f"{row['table_name']} row {row['id']}", *made_with)
