"""Query the audit: what ran last, what a model was trained on, how many records, and what failed.

All queries read the database's views, so that anyone who has only SQL gets the same results.
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
        artifact: The object that the phase stored.
        inputs: The objects and files that it read.
        row: The row's table and ID, for messages.
        details: A model's training parameters, or an evaluation's metrics.
        libraries: The versions of the libraries.
    """

    asset: str
    artifact: Artifact
    inputs: list[Row]
    row: str
    details: Row
    libraries: Row


@dataclass(frozen=True)
class Sources:
    """The files that a day's raw layer was made from.

    Attributes:
        partition: The day, `YYYY-MM-DD`.
        files: Each file as the audit recorded it: `file` and, where they are known, `size`, `mtime` and `sha256`.
    """

    partition: str
    files: list[Row]


class Audit:
    """Queries of the audit.

    Args:
        database: The audit's database, with its schema up to date.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def input_of(
        self, run_id: str, asset: str, partition: str, lineage_of: str | None = None, descendant_uri: str | None = None
    ) -> Record:
        """Return the record of the object that a phase reads from an asset.

        Args:
            run_id: The phase's run. An object that the same run stored comes first.
            asset: The asset to read from.
            partition: The day, whose last success is used otherwise.
            lineage_of: Another input of the phase. Where it is given, the object is the one that this input was made
                from, so that both inputs have one lineage.
            descendant_uri: The object of `lineage_of` that the phase has read already, because there may be a newer
                one since.

        Raises:
            NoRecordError: There is no such object, or the run stored another one than `lineage_of` was made from.
        """
        own = self._success(asset, partition, run_id)
        if lineage_of is None:
            return own or self._last_success(asset, partition)
        descendant = self._written(descendant_uri) if descendant_uri else self.input_of(run_id, lineage_of, partition)
        record = self._ancestor(descendant, asset)
        if own is not None and own.artifact != record.artifact:
            raise NoRecordError(
                f"{descendant.artifact.uri} was made from {record.artifact.uri}, "
                f"not from this run's {own.artifact.uri}",
                f"Materialize {lineage_of} in the same run",
            )
        return record

    def last_run(self) -> list[Row]:
        """Return the newest row of each phase."""
        return self._in_graph_order(self._rows(sa.select(LAST_RUN)))

    def of_run(self, run_id: str) -> list[Row]:
        """Return a run's rows."""
        return self._in_graph_order(self._rows(sa.select(PHASES_VIEW).where(PHASES_VIEW.c.run_id == run_id)))

    def metrics(self, run_id: str) -> Row | None:
        """Return the metrics of a run's successful evaluation, or None."""
        table = evaluation_events.c
        rows = self._rows(sa.select(table.metrics).where(table.run_id == run_id, table.estado == SUCCESS))
        return dict(rows[0]["metrics"]) if rows else None

    def records(self, partition: str | None = None) -> list[Row]:
        """Return the rows of all successes, or of one day's, newest day first."""
        query = sa.select(RECORDS).order_by(RECORDS.c.partition_key.desc(), RECORDS.c.at)
        return self._rows(query if partition is None else query.where(RECORDS.c.partition_key == partition))

    def objects(self) -> list[tuple[Row, Artifact]]:
        """Return each object that must exist, with its row: the artifacts of successes, and the quarantined lines."""
        view = PHASES_VIEW.c
        query = sa.select(PHASES_VIEW).where((view.estado == SUCCESS) | view.rejected.is_not(None))
        rows = self._rows(query.order_by(view.partition_key.desc(), view.at))
        return [(row, artifact) for row in rows for artifact in _artifacts_of(row)]

    def sources(self, limit: int) -> list[Sources]:
        """Return the files that the newest days were made from, newest day first.

        Args:
            limit: The number of days. Only days with a success count, and only the last success of each.
        """
        day = RECORDS.c.partition_key
        query = sa.select(RECORDS).where(RECORDS.c.asset == RAW.asset)
        newest = query.ext(distinct_on(day)).order_by(day.desc(), RECORDS.c.journal_seq.desc()).limit(limit)
        return [
            Sources(row["partition_key"], [entry for entry in row["inputs"] if "file" in entry])
            for row in self._rows(newest)
        ]

    def failures(self) -> list[Row]:
        """Return the FAILED rows, newest first, including those of abandoned phases."""
        return self._rows(sa.select(FAILURES).order_by(FAILURES.c.journal_seq.desc()))

    def anomalies(self) -> list[Row]:
        """Return the rows of the view `audit_anomalies`, newest day first."""
        return self._rows(sa.select(ANOMALIES).order_by(ANOMALIES.c.partition_key.desc(), ANOMALIES.c.what))

    def models_from(self, file: str) -> list[Row]:
        """Return the models that were trained on a source file, oldest first.

        Args:
            file: The file's path as it was read, its name, or its SHA-256.

        Raises:
            NoRecordError: There is no such model.
        """
        named = (MODELS.c.file == file) | MODELS.c.file.endswith(f"/{file}", autoescape=True)
        rows = self._rows(sa.select(MODELS).where(named | (MODELS.c.file_sha256 == file)).order_by(MODELS.c.trained_at))
        if not rows:
            remedy = "Use a path, name or SHA-256 that `cybersec audit lineage --wide` (or `--json`) shows"
            raise NoRecordError(f"the audit has no model that was trained on {file}", remedy)
        return rows

    def lineage(self, model: str) -> list[Row]:
        """Return an object's row and the rows of everything that it was made from, back to the source files.

        Args:
            model: An object's URI or name.

        Raises:
            NoRecordError: No success stored such an object.
        """
        chain = list[Row]()
        wanted = [model]
        while wanted:
            target = wanted.pop(0)
            ends_with = RECORDS.c.uri.endswith(f"/{target}", autoescape=True)
            matches = self._rows(sa.select(RECORDS).where((RECORDS.c.uri == target) | ends_with))
            if not matches:
                raise NoRecordError(
                    f"the audit has no object {target}",
                    "Use a name that `cybersec audit records --wide` (or `--json`) shows",
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

    def _ancestor(self, descendant: Record, asset: str) -> Record:
        for entry in descendant.inputs:
            if entry.get("asset") == asset:
                return self._written(entry["uri"])
        raise NoRecordError(
            f"{descendant.artifact.uri} was not made from {asset}", f"Materialize {descendant.asset} again"
        )

    def _rows(self, query: sa.Select[Any]) -> list[Row]:
        return self.database.statement(lambda connection: [dict(row) for row in connection.execute(query).mappings()])

    def _in_graph_order(self, rows: list[Row]) -> list[Row]:
        order = list(PHASES)
        return sorted(rows, key=lambda row: order.index(row["asset"]))


def artifact_of(row: Row) -> Artifact:
    """Return the object of a SUCCESS row."""
    return Artifact(row["uri"], Fingerprint(row["size_bytes"], row["sha256"]))


def _artifacts_of(row: Row) -> Iterator[Artifact]:
    if row["estado"] == SUCCESS:
        yield artifact_of(row)
    if row["rejected"]:
        yield Artifact(row["rejected"]["uri"], Fingerprint(row["rejected"]["size"], row["rejected"]["sha256"]))


def _record(row: Row) -> Record:
    return Record(
        asset=row["asset"],
        artifact=artifact_of(row),
        inputs=row["inputs"],
        row=f"{row['table_name']} row {row['id']}",
        details=row["details"] or {},
        libraries=row["libraries"] or {},
    )
