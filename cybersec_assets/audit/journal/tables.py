"""The audit's tables, and how a phase's facts become a row of its table.

The contract's columns have Spanish names, which its users query. The columns that all tables share have English names.
Assets record facts under English names, and only this module knows the column of each. Times are UTC without a zone,
taken from the database's clock.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB

from cybersec_assets import phases
from cybersec_assets.artifact import Artifact

SCHEMA_VERSION = "0006"
"""The newest migration."""

metadata = MetaData(schema="public")
_UTC_NOW = func.timezone("utc", func.clock_timestamp())


def _events(name: str, time_column: str, *own: Column[object]) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column(time_column, DateTime, nullable=False, server_default=_UTC_NOW),
        *own,
        Column("estado", Text, nullable=False),
        Column("run_id", Text, nullable=False),
        Column("partition_key", Text, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("started_at", DateTime, nullable=False),
        Column("sha256", Text),
        Column("size_bytes", BigInteger),
        Column("inputs", JSONB, nullable=False, server_default=text("'[]'")),
        Column("error", Text),
        Column("journal_seq", BigInteger, nullable=False, unique=True),
        Column("code_version", Text),
        Column("libraries", JSONB),
        UniqueConstraint("run_id", "partition_key", "attempt"),
    )


def _text(name: str) -> Column[object]:
    return Column(name, Text, nullable=False)


def _count(name: str) -> Column[object]:
    return Column(name, BigInteger, nullable=False)


ingestion_events = _events(
    phases.RAW.table,
    "timestamp_ingesta",
    _text("nombre_archivo"),
    _text("ruta_minio"),
    _count("num_registros"),
    Column("rejected", JSONB),
    Column("lines", JSONB),
)
transformation_events = _events(
    phases.SILVER.table,
    "timestamp_transformacion",
    _text("nombre_archivo"),
    _text("ruta_minio"),
    _count("num_registros"),
)
training_events = _events(
    phases.MODEL.table, "timestamp_entrenamiento", _text("ruta_modelo"), _count("num_registros"), _text("parametros")
)
evaluation_events = _events(
    phases.EVALUATION.table,
    "timestamp_eval",
    _text("modelo_nombre"),
    _text("nombre_dataset"),
    _text("ruta_resultados"),
    Column("metrics", JSONB, nullable=False),
)

audit_journal = Table(
    "audit_journal",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", DateTime, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("kind", "run_id", "asset_key", "partition_key")),
    Column("attempt", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("prev_hash", Text, nullable=False, unique=True),
    Column("hash", Text, nullable=False),
)


@dataclass(frozen=True)
class Fact:
    """What an asset records about its phase.

    Attributes:
        column: The column that holds it.
        empty: The column's value in a FAILED row.
    """

    column: str
    empty: object


FACTS = {
    "records": Fact("num_registros", 0),
    "parameters": Fact("parametros", "{}"),
    "model": Fact("modelo_nombre", ""),
    "dataset": Fact("nombre_dataset", ""),
    "metrics": Fact("metrics", {}),
    "rejected": Fact("rejected", None),
    "lines": Fact("lines", None),
}
"""Every fact by its name."""
OBJECT_NAME = "nombre_archivo"


@dataclass(frozen=True)
class PhaseTable:
    """A phase's table.

    Attributes:
        table: The table.
        time: Its column for the time of the row.
        path: Its column for the object's URI.
        facts: The facts that a SUCCESS row requires.
        kept: Optional facts, which a FAILED row has too if they were recorded.
    """

    table: Table
    time: str
    path: str
    facts: tuple[str, ...]
    kept: tuple[str, ...] = ()

    @property
    def empty(self) -> dict[str, object]:
        """What a FAILED row has in the columns of this table alone, except for the path."""
        named: dict[str, object] = {OBJECT_NAME: ""} if OBJECT_NAME in self.table.c else {}
        return named | {FACTS[fact].column: FACTS[fact].empty for fact in self.facts}

    def success(self, facts: Mapping[str, object], artifact: Artifact) -> dict[str, object]:
        """Return the columns of a SUCCESS row."""
        named = {OBJECT_NAME: artifact.name} if OBJECT_NAME in self.table.c else {}
        stored = {"sha256": artifact.fingerprint.sha256, "size_bytes": artifact.fingerprint.size}
        return _columns(facts) | {self.path: artifact.uri} | named | stored

    def failure(self, facts: Mapping[str, object]) -> dict[str, object]:
        """Return the columns of a FAILED row, which has no object."""
        return self.empty | {self.path: ""} | _columns({fact: facts[fact] for fact in self.kept if fact in facts})


def _columns(facts: Mapping[str, object]) -> dict[str, object]:
    columns = {FACTS[fact].column: value for fact, value in facts.items()}
    if "parameters" in facts:
        # The contract's column is a text.
        columns["parametros"] = json.dumps(facts["parameters"])
    return columns


PHASES = {
    phases.RAW.asset: PhaseTable(
        ingestion_events, "timestamp_ingesta", "ruta_minio", ("records",), kept=("rejected", "lines")
    ),
    phases.SILVER.asset: PhaseTable(transformation_events, "timestamp_transformacion", "ruta_minio", ("records",)),
    phases.MODEL.asset: PhaseTable(
        training_events, "timestamp_entrenamiento", "ruta_modelo", ("records", "parameters")
    ),
    phases.EVALUATION.asset: PhaseTable(
        evaluation_events, "timestamp_eval", "ruta_resultados", ("model", "dataset", "metrics")
    ),
}
"""Each phase's table by its asset key, in the order of the graph."""
