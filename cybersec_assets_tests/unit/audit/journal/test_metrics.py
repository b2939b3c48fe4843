"""Metrics for monitoring are right, cheap, and readable with rights on one view."""

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa

from cybersec_assets.audit.journal.metrics import QUERY, read_metrics
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.errors import AuditError
from cybersec_assets.phases import EVALUATION, MODEL, RAW
from cybersec_assets_tests.support.audit.phases import facts_of, fail, make_object, start, succeed

MANY = """
INSERT INTO training_events (ruta_modelo, num_registros, parametros, estado, run_id, partition_key, attempt, started_at,
    journal_seq)
SELECT 'm', 1, '{}', CASE WHEN n % 50 = 0 THEN 'FAILED' ELSE 'SUCCESS' END, 'run-' || n, (n % 500)::text, 1, now(), n
FROM generate_series(1, 20000) AS n
"""


WRITING_VIEW = """
DROP VIEW public.audit_metrics;
CREATE TABLE public.scribbles (n bigint);
CREATE FUNCTION public.scribble() RETURNS bigint LANGUAGE sql AS 'INSERT INTO public.scribbles VALUES (1) RETURNING n';
CREATE VIEW public.audit_metrics AS
SELECT ''::text AS asset, public.scribble() AS failures, now() AS last_success, 0 AS records, 0 AS seconds,
    0 AS anomaly_rate, 0 AS min_anomaly_rate, 0 AS max_anomaly_rate
"""


@pytest.fixture
def place(settings):
    """Return the database as libpq's parameters."""
    return {"host": settings.postgres.host, "user": "postgres", "dbname": settings.postgres.database}


@pytest.fixture
def metrics(database, place):
    """Return a function that reads the metrics by asset."""
    assert database.url.database == place["dbname"]
    return lambda: {each.asset: each for each in read_metrics(**place)}


def test_an_empty_audit_has_metrics_of_every_asset(metrics):
    found = metrics()
    assert list(found) == list(PHASES)
    assert {each[1:] for each in found.values()} == {(0, *[None] * 6)}


def test_failures_are_counted_beside_the_last_success(metrics, journal):
    """The newest success counts, whatever its day."""
    succeed(journal, RAW.asset, "raw-1", records=5)
    began = dt.datetime.now(dt.UTC).timestamp()
    succeed(journal, RAW.asset, "raw-2", day="2025-12-31", records=7)
    ended = dt.datetime.now(dt.UTC).timestamp()
    for _ in range(3):
        fail(journal, RAW.asset)
    raw = metrics()[RAW.asset]
    assert (raw.failures, raw.records, raw.anomaly_rate) == (3, 7, None)
    assert began - 1 < raw.last_success < ended + 1
    assert 0 < raw.seconds <= ended - began
    assert metrics()[MODEL.asset].failures == 0


def test_the_anomaly_rate_has_its_limits(metrics, journal):
    for rate in (0.9, 0.25):
        phase = start(journal, EVALUATION.asset, run_id=f"run-{rate}")
        band = {"anomaly_rate": rate, "min_anomaly_rate": 0.01, "max_anomaly_rate": 0.5}
        phase.facts |= facts_of(EVALUATION.asset, 9) | {"metrics": {"flows": 9} | band}
        journal.succeed(phase, make_object(f"eval-{rate}"))
    assert metrics()[EVALUATION.asset][5:] == (0.25, 0.01, 0.5)
    assert metrics()[EVALUATION.asset].records == 9


@pytest.mark.usefixtures("metrics")
def test_no_table_is_scanned_or_sorted(database):
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(MANY))
        connection.execute(sa.text("VACUUM ANALYZE training_events"))
        plan = "\n".join(connection.execute(sa.text(f"EXPLAIN (ANALYZE, TIMING OFF) {QUERY}")).scalars())
    assert "training_events_failed" in plan
    assert "Seq Scan on training_events" not in plan
    assert "external" not in plan


def test_rights_on_the_view_are_enough(database, place):
    role = f"metrics_{uuid.uuid4().hex[:12]}"
    with database.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(sa.text(f"GRANT SELECT ON public.audit_metrics TO {role}"))
    try:
        assert len(read_metrics(**place | {"user": role})) == len(PHASES)
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            sa.create_engine(database.url.set(username=role)).connect().execute(sa.text("TABLE public.training_events"))
    finally:
        with database.engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}"))
            connection.execute(sa.text(f"DROP ROLE {role}"))


def test_a_view_cannot_write(database, place):
    """Not even for the superuser, because the session is read-only."""
    with database.engine.begin() as connection:
        connection.execute(sa.text(WRITING_VIEW))
    with pytest.raises(AuditError, match="cannot execute INSERT in a read-only transaction"):
        read_metrics(**place)


def test_an_unreachable_server_raises_the_projects_error(tmp_path):
    with pytest.raises(AuditError, match="cannot use the database"):
        read_metrics(host=str(tmp_path), user="postgres", dbname="mlops_db")
