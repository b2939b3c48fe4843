"""What the command line shows to people: rich tables of what the audit and the store hold."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from cybersec_assets.audit.queries import Row

EVENT_COLUMNS = ("asset", "partition_key", "estado", "records", "at", "uri", "error")
LINEAGE_COLUMNS = ("asset", "partition_key", "records", "at", "uri", "sha256")
PIPE_WIDTH = 200
"""How wide lines may be where no terminal says it."""


def as_json(value: Any) -> str:
    """Write a value for machines; a time is ISO 8601 with its zone."""
    return json.dumps(value, default=_plain, indent=2)


def event_table(title: str, rows: Sequence[Row], columns: Sequence[str] = EVENT_COLUMNS) -> Table:
    """Give rows of the audit, leaving out a column that no row fills."""
    shown = [name for name in columns if any(row[name] not in (None, "") for row in rows)]
    table = _table(title)
    for name in shown:
        table.add_column(name, overflow="fold", justify="right" if name == "records" else "left")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in shown))
    return table


def flow_table(title: str, flows: pl.DataFrame) -> Table:
    """Give flows, with their scores."""
    table = _table(title)
    for name, dtype in flows.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in flows.iter_rows():
        table.add_row(*(_cell(value) for value in row))
    return table


def metrics_line(metrics: dict[str, Any]) -> str:
    """Give the figures of an evaluation that a person asks for first."""
    first = ("anomaly_rate", "score_mean", "score_std", "auroc", "average_precision", "precision_at_100")
    return "  ".join(f"{name} {metrics[name]:.4f}" for name in first if name in metrics)


def console(*, stderr: bool = False) -> Console:
    """Give a console that neither breaks a path into pieces nor colours numbers."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=PIPE_WIDTH)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"  # noqa: PLR2004 - where %g turns unreadable
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=value.tzinfo or dt.UTC).isoformat()
    return str(value)
