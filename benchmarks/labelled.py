"""Measure how well the detector ranks public labelled captures: `python -m benchmarks.labelled`."""

import os
import tempfile
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from cybersec_assets.defs.partitions import day_of
from cybersec_assets.features import FEATURE_SETS, add_features, select_features
from cybersec_assets.flows.clean import clean
from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.plan import DayLogs
from cybersec_assets.flows.source import FlowSource
from cybersec_assets.model.evaluate import evaluate
from cybersec_assets.model.score import score
from cybersec_assets.model.train import train

DAY = day_of("2022-06-12")
CHECKOUT = Path(__file__).parents[1]
CAPTURES = {
    "Zeek capture 008": ("zeek-conn-008.log.labeled", None),
    "NSL-KDD": ("nsl-kdd-train-20percent.txt", "nsl_kdd"),
}
"""The file and the FLOWS_COLUMNS of each capture."""


def auroc(silver: pl.LazyFrame, training: pl.LazyFrame, names: tuple[str, ...], folder: Path) -> float:
    """Train on some flows, score all flows, and return the AUROC by their labels."""
    model = train(select_features(training, names).collect())
    score(silver, model).sink_parquet(folder / "scored.parquet")
    return evaluate(folder / "scored.parquet")["auroc"]


def add_rows(table: Table, capture: str, logs: DayLogs, folder: Path) -> None:
    """Evaluate each feature set on a capture, trained on all of its flows and on its benign flows only."""
    ingest(logs, folder / "raw.parquet", folder / "rejected.parquet")
    silver = add_features(clean(pl.scan_parquet(folder / "raw.parquet"), 0))
    malicious = silver.select(pl.col("label").mean()).collect().item()
    for feature_set, names in FEATURE_SETS.items():
        on_all = auroc(silver, silver, names, folder)
        on_benign = auroc(silver, silver.filter(~pl.col("label")), names, folder)
        table.add_row(capture, f"{malicious:.0%}", feature_set, f"{on_all:.2f}", f"{on_benign:.2f}")


def main() -> None:
    """Print a table of AUROC."""
    data = Path(os.environ.get("CYBERSEC_TEST_DATA") or CHECKOUT.parent / "shared" / "data")
    table = Table("capture", "malicious", "features", "trained on all flows", "trained on benign flows")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for capture, (file, columns) in CAPTURES.items():
            logs = FlowSource(str(data / "labelled" / file), columns=columns).logs_of(DAY, folder / capture)
            add_rows(table, capture, logs, folder)
        add_rows(table, "synthetic", FlowSource().logs_of(DAY, folder / "synthetic"), folder)
    Console().print(table)


if __name__ == "__main__":
    main()
