"""Read the audit's metrics for monitoring, one row for each asset; see the view `audit_metrics`.

Only psycopg2 is imported: SQLAlchemy would take a quarter of the memory of a process that does nothing else.
"""

from typing import Any, NamedTuple

from cybersec_assets.postgres.connection import connect

QUERY = """
SELECT asset, failures, extract(epoch FROM last_success)::float8, records, seconds, anomaly_rate, min_anomaly_rate,
    max_anomaly_rate
FROM public.audit_metrics
"""
LIMITS: dict[str, Any] = {"connect_timeout": 3, "tcp_user_timeout": 4_000, "application_name": "cybersec metrics"}
"""Seconds, and milliseconds: Prometheus waits ten seconds for an answer."""
REMEDY = "Check PG_HOST, PG_PORT, PG_USER, PG_PASSWORD and PG_DATABASE, and that this release has been used there"
SET_LIMIT = "SET LOCAL statement_timeout = 4000"
"""Milliseconds, for this transaction only, because a pooler may lend the connection to others after it."""


class PhaseMetrics(NamedTuple):
    """The metrics of an asset's phases; all but the first two are None where no phase ever succeeded.

    Attributes:
        asset: The asset's key.
        failures: How many phases failed, ever.
        last_success: When the last success was recorded, in seconds since 1970.
        records: How many records the last success handled.
        seconds: How long the last success took.
        anomaly_rate: The share of flows above the threshold in the last evaluation; None for other assets.
        min_anomaly_rate: The lower limit of the accepted anomaly rate.
        max_anomaly_rate: The upper limit.
    """

    asset: str
    failures: int
    last_success: float | None
    records: int | None
    seconds: float | None
    anomaly_rate: float | None
    min_anomaly_rate: float | None
    max_anomaly_rate: float | None


def read_metrics(**connection: Any) -> list[PhaseMetrics]:
    """Read the metrics over a connection that is closed afterwards.

    Args:
        connection: libpq's parameters.

    Raises:
        AuditError: The server cannot be reached, or the view cannot be read.
    """
    with connect(remedy=REMEDY, **connection | LIMITS) as opened:
        opened.set_session(readonly=True)
        with opened.cursor() as cursor:
            cursor.execute(SET_LIMIT)
            cursor.execute(QUERY)
            return [PhaseMetrics(*row) for row in cursor.fetchall()]
