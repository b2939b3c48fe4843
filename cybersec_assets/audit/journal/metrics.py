"""The figures that monitoring asks of the audit, a row for each asset; see the view `audit_metrics`.

By psycopg2 alone: SQLAlchemy would be a quarter of a process that does nothing else.
"""

from contextlib import closing
from typing import Any, NamedTuple

import psycopg2

from cybersec_assets.errors import AuditError, first_line

QUERY = """
SELECT asset, failures, extract(epoch FROM last_success)::float8, records, seconds, anomaly_rate, min_anomaly_rate,
    max_anomaly_rate
FROM public.audit_metrics
"""
LIMITS: dict[str, Any] = {"connect_timeout": 3, "tcp_user_timeout": 4_000, "application_name": "cybersec metrics"}
"""Seconds, and milliseconds: Prometheus waits ten seconds for an answer."""
SET_LIMIT = "SET LOCAL statement_timeout = 4000"
"""Milliseconds, for this transaction alone: a pooler may lend the connection to others after it."""
REMEDY = "Check PG_HOST, PG_PORT, PG_USER, PG_PASSWORD and PG_DATABASE, and that this release has been used there"


class Figures(NamedTuple):
    """What the audit says of an asset; all but the first two are None where it never succeeded.

    Attributes:
        asset: Its key.
        failures: How many of its phases failed, ever.
        last_success: When the last success was written, seconds since 1970.
        records: How many it handled.
        seconds: How long it took.
        anomaly_rate: The last evaluation's share of flows above the threshold; None for other assets.
        min_anomaly_rate: The lower end of the band that it was judged by.
        max_anomaly_rate: The upper end.
    """

    asset: str
    failures: int
    last_success: float | None
    records: int | None
    seconds: float | None
    anomaly_rate: float | None
    min_anomaly_rate: float | None
    max_anomaly_rate: float | None


def ask_figures(**connection: Any) -> list[Figures]:
    """Ask once, by a connection that lives no longer.

    Args:
        connection: libpq's parameters.

    Raises:
        AuditError: The server is away, or refuses.
    """
    try:
        with closing(psycopg2.connect(**connection, **LIMITS)) as opened:
            opened.set_session(readonly=True)
            with opened.cursor() as cursor:
                cursor.execute(SET_LIMIT)
                cursor.execute(QUERY)
                return [Figures(*row) for row in cursor.fetchall()]
    except psycopg2.Error as error:
        raise AuditError(f"the audit gives no figures: {first_line(error)}", REMEDY) from error
