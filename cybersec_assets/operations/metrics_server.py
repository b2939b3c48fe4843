"""Serve the audit's metrics to Prometheus. They are read at each scrape and not cached.

Dagster, Polars and SQLAlchemy are not imported, so that the long-running process needs little memory.
"""

import logging
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
from cybersec_assets.settings import Settings, reveal

LOGGER = logging.getLogger(__name__)
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
GAUGES = {
    "last_success": ("cybersec_last_success_timestamp_seconds", "Time of the asset's last success."),
    "records": ("cybersec_last_success_records", "Number of records of the asset's last success."),
    "seconds": ("cybersec_last_success_duration_seconds", "Duration of the asset's last success."),
    "anomaly_rate": ("cybersec_anomaly_ratio", "Share of anomalous flows in the last evaluation."),
    "min_anomaly_rate": ("cybersec_anomaly_ratio_min", "Lower limit of the accepted anomaly ratio."),
    "max_anomaly_rate": ("cybersec_anomaly_ratio_max", "Upper limit of the accepted anomaly ratio."),
}
"""The name and help of each gauge, by the field of `PhaseMetrics`."""


class AuditCollector(Collector):
    """Collect the audit's metrics.

    Args:
        read: Returns the metrics, or raises AuditError.
    """

    def __init__(self, read: Callable[[], list[PhaseMetrics]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, and whether the audit could be read."""
        try:
            metrics = self._read()
        except AuditError as error:
            LOGGER.warning("%s", error)
            yield _up(is_up=False)
        else:
            yield _up(is_up=True)
            yield _failures(metrics)
            yield from (_gauge(field, metrics) for field in GAUGES)


def serve_metrics(settings: Settings, host: str, port: int) -> None:
    """Serve metrics until the process gets SIGTERM or SIGINT.

    Args:
        settings: The audit.
        host: The address to listen on.
        port: The port.

    Raises:
        SettingsError: The address or port cannot be used.
        AuditError: The embedded audit does not exist yet.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, _exit)
    with ExitStack() as stack:
        registry = audit_registry(settings, stack)
        with blocked(STOP_SIGNALS):
            try:
                start_http_server(port, host, registry)
            except OSError as error:
                raise SettingsError(
                    f"cannot listen on {host}:{port}: {error}", "Use another --port or --host"
                ) from None
            # Unlike pause(), sigwait() also returns for a signal that arrived just before it was called.
            signal.sigwait(STOP_SIGNALS)


@contextmanager
def blocked(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """Block signals until the `with` block ends, so that sigwait() can receive them.

    Threads that start in the meantime keep the signals blocked.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _exit(*_: object) -> None:
    raise SystemExit(0)


def audit_registry(settings: Settings, stack: ExitStack) -> CollectorRegistry:
    """Return a registry with the audit's metrics. An embedded server runs until the stack is closed.

    Raises:
        AuditError: The embedded audit does not exist yet.
    """
    connection = _connection(settings, stack)
    registry = CollectorRegistry()
    registry.register(AuditCollector(lambda: read_metrics(**connection)))
    return registry


def _connection(settings: Settings, stack: ExitStack) -> dict[str, Any]:
    """Return libpq's parameters."""
    if settings.postgres.host is None:
        if not has_cluster(settings.home):
            raise AuditError(f"no runs here yet in {settings.home}", "Start with `cybersec run`")
        folder = stack.enter_context(embedded_postgres(settings.home))
        return {"host": str(folder), "user": "postgres", "dbname": settings.postgres.database}
    role = {"user": settings.postgres.user, "password": reveal(settings.postgres.password)}
    return settings.postgres.server | role | {"dbname": settings.postgres.database}


def _up(*, is_up: bool) -> Metric:
    return GaugeMetricFamily("cybersec_audit_up", "Whether the audit's database can be read.", float(is_up))


def _failures(metrics: list[PhaseMetrics]) -> Metric:
    family = CounterMetricFamily("cybersec_phase_failures", "Number of failed phases of the asset.", labels=["asset"])
    for each in metrics:
        family.add_metric([each.asset], each.failures)
    return family


def _gauge(field: str, metrics: list[PhaseMetrics]) -> Metric:
    name, description = GAUGES[field]
    family = GaugeMetricFamily(name, description, labels=["asset"])
    for each in metrics:
        value = getattr(each, field)
        if value is not None:
            family.add_metric([each.asset], value)
    return family
