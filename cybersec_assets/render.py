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
RUN_COLUMNS = EVENT_COLUMNS[:-1]
LINEAGE_COLUMNS = ("asset", "partition_key", "records", "at", "uri", "sha256")
HEADERS = {"partition_key": "day", "at": "at (UTC)", "timestamp": "time (UTC)"}
"""What a column is called for people, where that is not its name."""
MEASURED_WITH = 10_000
GROUPED = {"records", "bytes"}
"""Amounts, whose digits are grouped; a port is none."""


def as_json(value: Any) -> str:
    """Write a value for machines; a time is ISO 8601 with its zone."""
    return json.dumps(value, default=_plain, indent=2)


def event_table(rows: Sequence[Row], columns: Sequence[str] = EVENT_COLUMNS) -> Table:
    """Give rows of the audit, leaving out a column that no row fills."""
    return _table(columns, [[row[name] for name in columns] for row in rows])


def flow_table(flows: pl.DataFrame) -> Table:
    """Give flows, with their scores."""
    return _table(flows.columns, flows.rows())


def metrics_line(metrics: dict[str, Any]) -> str:
    """Give the figures of an evaluation that a person asks for first."""
    first = ("anomaly_rate", "score_mean", "score_std", "auroc", "average_precision", "precision_at_100")
    return "  ".join(f"{name} {metrics[name]:.4f}" for name in first if name in metrics)


def show(title: str, table: Table) -> None:
    """Print a table as wide as it is: a terminal wraps whole lines, so that what is copied is whole."""
    width = Console(width=MEASURED_WITH).measure(table).maximum
    out = Console(highlight=False, width=max(width, 1), soft_wrap=True)
    out.print(title, style="bold", markup=False)
    out.print(table, crop=False, no_wrap=True)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    filled = [i for i in range(len(columns)) if any(row[i] not in (None, "") for row in rows)]
    table = Table(header_style="dim", box=None, pad_edge=False)
    for i in filled:
        numeric = all(isinstance(row[i], int | float | None) for row in rows)
        table.add_column(HEADERS.get(columns[i], columns[i]), justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(columns[i], row[i]) for i in filled))
    return table


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if name in GROUPED else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=value.tzinfo or dt.UTC).isoformat()
    return str(value)
