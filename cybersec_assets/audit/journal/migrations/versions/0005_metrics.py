"""What monitoring asks for, at a price that does not grow with the tables, and which programs the schema serves.

    audit_metrics   a row for each asset: failures so far; time, records and duration of the last success; the last
                    evaluation's anomaly rate
    audit_serves    the oldest program, by its newest migration, that works with the schema as it is

The last success is found from the end of `journal_seq`'s index; failures are counted in an index that holds nothing
else. A role for monitoring needs SELECT on `audit_metrics` alone.

A later migration that only adds views, indexes or tables leaves `audit_serves` as it is. One that changes an event
table, or what guards the tables, replaces it and names itself: an older program could not write, or its check would
take the change for damage.

A migration is history: it says its own SQL and takes nothing from `tables`, which go on changing.
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
    """Make the indexes and the views."""
    for table in TABLES:
        op.execute(f"CREATE INDEX {table}_failed ON public.{table} (id) WHERE estado = 'FAILED'")
    op.execute(METRICS)
    op.execute(SERVES)
