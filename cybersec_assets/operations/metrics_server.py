"""The audit's figures for Prometheus: asked anew at each scrape, and kept nowhere.

Nothing of Dagster, Polars or SQLAlchemy is imported: the process waits all day, and what it waits with is memory.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cybersec_assets.audit.journal.metrics import PhaseMetrics, read_metrics
from cybersec_assets.errors import AuditError, SettingsError
from cybersec_assets.postgres.embedded import embedded_postgres, has_cluster
from cybersec_assets.settings import Settings

LOGGER = logging.getLogger(__name__)
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
GAUGES = {
    "last_success": ("cybersec_last_success_timestamp_seconds", "When the asset's last success was written."),
    "records": ("cybersec_last_success_records", "How many records the asset's last success handled."),
    "seconds": ("cybersec_last_success_duration_seconds", "How long the asset's last success took."),
    "anomaly_rate": ("cybersec_anomaly_ratio", "Share of flows that the last evaluation found strange."),
    "min_anomaly_rate": ("cybersec_anomaly_ratio_min", "The lower end of the band that it was judged by."),
    "max_anomaly_rate": ("cybersec_anomaly_ratio_max", "The upper end of that band."),
}
"""Name and help of each gauge, by the field that it shows."""


class AuditCollector(Collector):
    """Give the audit's figures as metrics.

    Args:
        ask: Gives the figures, or raises AuditError.
    """

    def __init__(self, ask: Callable[[], list[PhaseMetrics]]) -> None:
        """Note whom to ask; nothing is asked yet."""
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        """Ask, and say whether there was an answer."""
        try:
            figures = self._ask()
        except AuditError as error:
            LOGGER.warning("%s", error)
            yield _up(answers=False)
        else:
            yield _up(answers=True)
            yield _failures(figures)
            yield from (_gauge(field, figures) for field in GAUGES)


def serve_metrics(settings: Settings, host: str, port: int) -> None:
    """Answer scrapes until the process is told to end.

    Args:
        settings: Where the audit is.
        host: The address to listen on.
        port: The port.

    Raises:
        SettingsError: Nobody can listen there.
        AuditError: No run has made the embedded audit yet.
    """
    for each in STOP_SIGNALS:
        signal.signal(each, _end)
    with ExitStack() as stack:
        place = _place(settings, stack)
        registry = CollectorRegistry()
        registry.register(AuditCollector(lambda: read_metrics(**place)))
        with blocked(STOP_SIGNALS):
            try:
                start_http_server(port, host, registry)
            except OSError as error:
                raise SettingsError(
                    f"nobody can listen on {host}:{port}: {error}", "Give another --port or --host"
                ) from None
            # Unlike pause(), sigwait() also returns for a signal that arrived just before it was called.
            signal.sigwait(STOP_SIGNALS)


@contextmanager
def blocked(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """Block signals of this process until the block ends, so that sigwait() can receive them.

    Threads that start meanwhile keep the signals blocked.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(*_: object) -> None:
    raise SystemExit(0)


def _place(settings: Settings, stack: ExitStack) -> dict[str, Any]:
    """Give libpq's parameters; the embedded server, where no host is given, runs as long as the stack."""
    if settings.pg_host is None:
        if not has_cluster(settings.cybersec_home):
            raise AuditError(f"no runs here yet in {settings.cybersec_home}", "Start with `cybersec run`")
        folder = stack.enter_context(embedded_postgres(settings.cybersec_home))
        return {"host": str(folder), "user": "postgres", "dbname": settings.pg_database}
    role = {"user": settings.pg_user, "password": os.environ.get("PG_PASSWORD")}
    return settings.pg_server | role | {"dbname": settings.pg_database}


def _up(*, answers: bool) -> Metric:
    return GaugeMetricFamily("cybersec_audit_up", "Whether the audit's database answers.", float(answers))


def _failures(figures: list[PhaseMetrics]) -> Metric:
    family = CounterMetricFamily("cybersec_phase_failures", "How many of the asset's phases failed.", labels=["asset"])
    for each in figures:
        family.add_metric([each.asset], each.failures)
    return family


def _gauge(field: str, figures: list[PhaseMetrics]) -> Metric:
    name, told = GAUGES[field]
    family = GaugeMetricFamily(name, told, labels=["asset"])
    for each in figures:
        if (value := getattr(each, field)) is not None:
            family.add_metric([each.asset], value)
    return family
