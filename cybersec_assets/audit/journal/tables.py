"""The audit's tables, and which phase writes to which.

Names and columns of the contract are Spanish, as those who query them expect; what is common to all tables
follows them in English. Times are UTC, without a zone, and are the database's own.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA_VERSION = "0006"
"""The newest migration; a database that has it needs no other."""

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
    "ingestion_events",
    "timestamp_ingesta",
    _text("nombre_archivo"),
    _text("ruta_minio"),
    _count("num_registros"),
    Column("rejected", JSONB),
    Column("lines", JSONB),
)
transformation_events = _events(
    "transformation_events",
    "timestamp_transformacion",
    _text("nombre_archivo"),
    _text("ruta_minio"),
    _count("num_registros"),
)
training_events = _events(
    "training_events", "timestamp_entrenamiento", _text("ruta_modelo"), _count("num_registros"), _text("parametros")
)
evaluation_events = _events(
    "evaluation_events",
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
class PhaseTable:
    """Where a phase's rows go.

    Attributes:
        table: The table.
        time: Its column for the time of the row.
        path: Its column for the object's URI.
        empty: What a FAILED row has in the columns that are its own.
        kept: Facts that a FAILED row has as well, where its phase came to note them.
    """

    table: Table
    time: str
    path: str
    empty: dict[str, object]
    kept: tuple[str, ...] = ()


RAW, SILVER = "raw/network_events", "silver/network_events"
MODEL, EVALUATION = "gold/isolation_forest", "gold/evaluation"

_FILE = {"nombre_archivo": "", "num_registros": 0}

PHASES: dict[str, PhaseTable] = {
    RAW: PhaseTable(ingestion_events, "timestamp_ingesta", "ruta_minio", _FILE, kept=("rejected", "lines")),
    SILVER: PhaseTable(transformation_events, "timestamp_transformacion", "ruta_minio", _FILE),
    MODEL: PhaseTable(
        training_events, "timestamp_entrenamiento", "ruta_modelo", {"num_registros": 0, "parametros": "{}"}
    ),
    EVALUATION: PhaseTable(
        evaluation_events,
        "timestamp_eval",
        "ruta_resultados",
        {"modelo_nombre": "", "nombre_dataset": "", "metrics": {}},
    ),
}
"""Each phase's table by its asset key, in the order of the graph."""
