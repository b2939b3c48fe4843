"""Views that answer the audit's questions for anyone who has only SQL.

    audit_phases      every execution of a phase, with the same columns whatever its table
    audit_last_run    when each phase ran last
    audit_records     how many records each success handled
    audit_failures    which executions failed, and why
    audit_models      the data that a model was trained on: a row for each model and source file
    audit_anomalies   unusual results: anomaly rate, drift, records

A migration is history: it contains its own SQL and imports nothing from `tables`, which change later.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

NO_DETAILS = "NULL::jsonb"
PHASES = (
    ("raw/network_events", "ingestion_events", "timestamp_ingesta", "ruta_minio", "num_registros", NO_DETAILS),
    (
        "silver/network_events",
        "transformation_events",
        "timestamp_transformacion",
        "ruta_minio",
        "num_registros",
        NO_DETAILS,
    ),
    (
        "gold/isolation_forest",
        "training_events",
        "timestamp_entrenamiento",
        "ruta_modelo",
        "num_registros",
        "parametros::jsonb",
    ),
    (
        "gold/evaluation",
        "evaluation_events",
        "timestamp_eval",
        "ruta_resultados",
        "(metrics ->> 'flows')::bigint",
        "metrics",
    ),
)

LAST_RUN = """
CREATE VIEW public.audit_last_run AS
SELECT DISTINCT ON (asset) * FROM public.audit_phases ORDER BY asset, journal_seq DESC
"""
RECORDS = "CREATE VIEW public.audit_records AS SELECT * FROM public.audit_phases WHERE estado = 'SUCCESS'"
FAILURES = "CREATE VIEW public.audit_failures AS SELECT * FROM public.audit_phases WHERE estado = 'FAILED'"

MODELS = """
CREATE VIEW public.audit_models AS
SELECT m.ruta_modelo AS model, m.sha256 AS model_sha256, m.timestamp_entrenamiento AS trained_at, m.run_id,
    m.partition_key, m.num_registros AS records, m.parametros::jsonb AS parameters,
    m.parametros::jsonb -> 'features' AS features, m.code_version, m.libraries,
    s.ruta_minio AS silver, s.sha256 AS silver_sha256, s.num_registros AS silver_records,
    r.ruta_minio AS raw, r.sha256 AS raw_sha256, r.num_registros AS raw_records,
    f.value ->> 'file' AS file, (f.value ->> 'size')::bigint AS file_size, f.value ->> 'sha256' AS file_sha256
FROM public.training_events m
CROSS JOIN LATERAL jsonb_array_elements(m.inputs) AS mi
JOIN public.transformation_events s ON s.ruta_minio = mi.value ->> 'uri' AND s.estado = 'SUCCESS'
CROSS JOIN LATERAL jsonb_array_elements(s.inputs) AS si
JOIN public.ingestion_events r ON r.ruta_minio = si.value ->> 'uri' AND r.estado = 'SUCCESS'
LEFT JOIN LATERAL jsonb_array_elements(r.inputs) AS f ON f.value ? 'file'
WHERE m.estado = 'SUCCESS'
"""

ANOMALIES = """
CREATE VIEW public.audit_anomalies AS
WITH days AS (
    SELECT DISTINCT ON (asset, partition_key) *, extract(isodow FROM partition_key::date) AS weekday
    FROM public.audit_records ORDER BY asset, partition_key, journal_seq DESC
), evaluations AS (
    SELECT *, (details ->> 'anomaly_rate')::float8 AS rate, (details ->> 'score_mean')::float8 AS mean,
        (details ->> 'score_std')::float8 AS std
    FROM public.audit_records WHERE asset = 'gold/evaluation'
)
SELECT 'anomaly_rate' AS what, asset, partition_key, run_id, at, uri, rate AS value,
    (details ->> 'min_anomaly_rate')::float8 AS low, (details ->> 'max_anomaly_rate')::float8 AS high
FROM evaluations
WHERE rate NOT BETWEEN (details ->> 'min_anomaly_rate')::float8 AND (details ->> 'max_anomaly_rate')::float8
UNION ALL
SELECT 'drift', asset, partition_key, run_id, at, uri, (e.mean - usual.mean) / usual.std, -0.5, 0.5
FROM evaluations e CROSS JOIN LATERAL (
    SELECT avg(mean) AS mean, nullif(avg(std), 0) AS std, count(*) AS days FROM (
        SELECT (d.details ->> 'score_mean')::float8 AS mean, (d.details ->> 'score_std')::float8 AS std FROM days d
        WHERE d.asset = e.asset AND d.partition_key < e.partition_key ORDER BY d.partition_key DESC LIMIT 28) AS before
) AS usual
WHERE usual.days >= 3 AND abs(e.mean - usual.mean) > 0.5 * usual.std
UNION ALL
SELECT 'records', p.asset, p.partition_key, p.run_id, p.at, p.uri, p.records, usual.median / 2, usual.median * 2
FROM public.audit_records p CROSS JOIN LATERAL (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY records) AS median, count(*) AS days FROM (
        SELECT d.records FROM days d
        WHERE d.asset = p.asset AND d.partition_key < p.partition_key
            AND d.weekday = extract(isodow FROM p.partition_key::date)
        ORDER BY d.partition_key DESC LIMIT 8) AS before
) AS usual
WHERE usual.days >= 3 AND p.records NOT BETWEEN usual.median / 2 AND usual.median * 2
"""


def upgrade() -> None:
    """Create the views, and the indexes that find an object's row."""
    for _, table, _, path, _, _ in PHASES:
        op.create_index(f"{table}_by_path", table, [path], schema="public")
    op.execute("CREATE VIEW public.audit_phases AS " + " UNION ALL ".join(_phase(*phase) for phase in PHASES))
    for view in (LAST_RUN, RECORDS, FAILURES, MODELS, ANOMALIES):
        op.execute(view)


def _phase(asset: str, table: str, moment: str, path: str, records: str, details: str) -> str:
    return (
        f"SELECT '{asset}' AS asset, '{table}' AS table_name, id, {moment} AS at, {path} AS uri, {records} AS records, "
        "estado, run_id, partition_key, attempt, started_at, sha256, size_bytes, inputs, error, journal_seq, "
        f"code_version, libraries, {details} AS details FROM public.{table}"
    )
