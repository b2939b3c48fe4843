"""Add metrics for monitoring, at a cost that does not grow with the tables, and declare compatible programs.

    audit_metrics   a row for each asset: failures so far; time, records and duration of the last success; the last
                    evaluation's anomaly rate
    audit_serves    the oldest program, by its newest migration, that works with the schema as it is

The last success is read from the end of the index on `journal_seq`; failures are counted in an index of failed rows
only. A role for monitoring needs SELECT on `audit_metrics` alone.

A later migration that only adds views, indexes or tables leaves `audit_serves` as it is. One that changes an event
table, or the tables' protections, replaces it and names itself: an older program could not write, or its verifier
would report the change as damage.

A migration is history: it contains its own SQL and imports nothing from `tables`, which change later.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = ("ingestion_events", "transformation_events", "training_events", "evaluation_events")
METRICS = """
CREATE VIEW public.audit_metrics AS
SELECT known.asset, failed.count AS failures, last.at AS last_success, last.records,
    extract(epoch FROM last.at - last.started_at)::float8 AS seconds,
    (last.details ->> 'anomaly_rate')::float8 AS anomaly_rate,
    (last.details ->> 'min_anomaly_rate')::float8 AS min_anomaly_rate,
    (last.details ->> 'max_anomaly_rate')::float8 AS max_anomaly_rate
FROM (VALUES (1, 'raw/network_events'), (2, 'silver/network_events'), (3, 'gold/isolation_forest'),
    (4, 'gold/evaluation')) AS known (place, asset)
CROSS JOIN LATERAL (SELECT count(*) FROM public.audit_failures f WHERE f.asset = known.asset) AS failed
LEFT JOIN LATERAL (
    SELECT * FROM public.audit_records r WHERE r.asset = known.asset ORDER BY r.journal_seq DESC LIMIT 1
) AS last ON true
ORDER BY known.place
"""
SERVES = f"CREATE VIEW public.audit_serves AS SELECT '{revision}' AS oldest"


def upgrade() -> None:
    """Create the indexes and the views."""
    for table in TABLES:
        op.execute(f"CREATE INDEX {table}_failed ON public.{table} (id) WHERE estado = 'FAILED'")
    op.execute(METRICS)
    op.execute(SERVES)
