"""Add a column for lines that do not parse: their count, their share and the object that stores them.

Existing rows have no value, and their journal entries do not contain the column.

A migration is history: it contains its own SQL and imports nothing from `tables`, which change later.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

SHARED = (
    "estado, run_id, partition_key, attempt, started_at, sha256, size_bytes, inputs, error, journal_seq, "
    "code_version, libraries"
)
PHASES = f"""
CREATE OR REPLACE VIEW public.audit_phases AS
SELECT 'raw/network_events' AS asset, 'ingestion_events' AS table_name, id, timestamp_ingesta AS at, ruta_minio AS uri,
    num_registros AS records, {SHARED}, NULL::jsonb AS details, rejected
FROM public.ingestion_events
UNION ALL
SELECT 'silver/network_events', 'transformation_events', id, timestamp_transformacion, ruta_minio,
    num_registros, {SHARED}, NULL, NULL
FROM public.transformation_events
UNION ALL
SELECT 'gold/isolation_forest', 'training_events', id, timestamp_entrenamiento, ruta_modelo,
    num_registros, {SHARED}, parametros::jsonb, NULL
FROM public.training_events
UNION ALL
SELECT 'gold/evaluation', 'evaluation_events', id, timestamp_eval, ruta_resultados,
    (metrics ->> 'flows')::bigint, {SHARED}, metrics, NULL
FROM public.evaluation_events
"""
VIEWS = {
    "audit_last_run": "SELECT DISTINCT ON (asset) * FROM public.audit_phases ORDER BY asset, journal_seq DESC",
    "audit_records": "SELECT * FROM public.audit_phases WHERE estado = 'SUCCESS'",
    "audit_failures": "SELECT * FROM public.audit_phases WHERE estado = 'FAILED'",
}
"""Unchanged: a star stands for the columns that a view had when it was created."""


def upgrade() -> None:
    """Add the column to the table and to the views; a replaced view keeps its owner, rights and dependents."""
    op.add_column("ingestion_events", sa.Column("rejected", JSONB), schema="public")
    op.execute(PHASES)
    for view, query in VIEWS.items():
        op.execute(f"CREATE OR REPLACE VIEW public.{view} AS {query}")
