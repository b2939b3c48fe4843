"""The four event tables: one row per execution of a phase.

A migration is history: it contains its own columns and imports nothing from `tables`, which change later.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

UTC_NOW = sa.text("(clock_timestamp() AT TIME ZONE 'utc')")
OWN = {
    ("ingestion_events", "timestamp_ingesta"): ("nombre_archivo", "ruta_minio", "num_registros"),
    ("transformation_events", "timestamp_transformacion"): ("nombre_archivo", "ruta_minio", "num_registros"),
    ("training_events", "timestamp_entrenamiento"): ("ruta_modelo", "num_registros", "parametros"),
    ("evaluation_events", "timestamp_eval"): ("modelo_nombre", "nombre_dataset", "ruta_resultados", "metrics"),
}
TYPES = {"num_registros": sa.BigInteger, "metrics": JSONB}


def upgrade() -> None:
    """Create the tables, and the indexes that find a partition's last success."""
    for (table, moment), own in OWN.items():
        op.create_table(
            table,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column(moment, sa.DateTime, nullable=False, server_default=UTC_NOW),
            *(sa.Column(name, TYPES.get(name, sa.Text), nullable=False) for name in own),
            sa.Column("estado", sa.Text, sa.CheckConstraint("estado IN ('SUCCESS', 'FAILED')"), nullable=False),
            sa.Column("run_id", sa.Text, nullable=False),
            sa.Column("partition_key", sa.Text, nullable=False),
            sa.Column("attempt", sa.Integer, nullable=False),
            sa.Column("started_at", sa.DateTime, nullable=False),
            sa.Column("sha256", sa.Text),
            sa.Column("size_bytes", sa.BigInteger),
            sa.Column("inputs", JSONB, nullable=False, server_default=sa.text("'[]'")),
            sa.Column("error", sa.Text),
            sa.UniqueConstraint("run_id", "partition_key", "attempt"),
            schema="public",
        )
        op.create_index(f"{table}_by_partition", table, ["partition_key", "estado", "id"], schema="public")
