"""The two ways of making a day, each in a fresh process, on the same flows and the same object store."""

import datetime as dt
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.child import CHECKOUT, Finished, run

COMMAND = CHECKOUT / ".venv" / "bin" / "cybersec"
PLAIN_PYTHON = CHECKOUT / ".venv-bench" / "bin" / "python"
DAY = "2025-11-22"
MAKE_DATABASE = """
from cybersec_assets.definitions import audit_from
from cybersec_assets.settings import load_settings
with audit_from(load_settings()).session() as audit:
    audit.connect()
"""
PHASES = {
    "raw/network_events": "raw",
    "silver/network_events": "silver",
    "gold/isolation_forest": "train",
    "gold/evaluation": "evaluate",
}
REST = "start and end"


@dataclass(frozen=True)
class Measured:
    """One way's run.

    Attributes:
        phases: Seconds of each phase, and of what is none.
        seconds: From the process's start to its exit.
        cpu_seconds: For how long the process kept a core busy.
        peak_bytes: The most memory that the process had in use at once.
        metrics: What it found.
    """

    phases: dict[str, float]
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    metrics: dict[str, float]


def the_job(flows: int, home: Path, store: Mapping[str, str]) -> Measured:
    """Run `daily_training`: the command, its Dagster run and its audit in the embedded PostgreSQL."""
    settings = {"HOME": str(home), "CYBERSEC_HOME": str(home / "cybersec"), "CYBERSEC_SYNTHETIC_FLOWS": str(flows)}
    ended = run([COMMAND, "run", "--date", DAY, "--json"], {**settings, **store})
    document = json.loads(ended.output)
    phases = {PHASES[row["asset"]]: _seconds(row) for row in document["phases"]}
    return _measured(ended, phases, document["metrics"])


def make_database(home: Path) -> None:
    """Create the embedded PostgreSQL's data folder, which is done once in an installation's life."""
    run([sys.executable, "-c", MAKE_DATABASE], {"HOME": home, "CYBERSEC_HOME": home / "cybersec"})


def the_plain_way(flows: int, home: Path, store: Mapping[str, str]) -> Measured:
    """Run `plain.py`."""
    settings = {"HOME": str(home), "PYTHONPATH": str(CHECKOUT), "PLAIN_FOLDER": str(home / "plain")}
    ended = run([PLAIN_PYTHON, CHECKOUT / "benchmarks" / "plain.py", DAY, str(flows)], {**settings, **store})
    document = json.loads(ended.output)
    return _measured(ended, document["seconds"], document["metrics"])


def _seconds(row: Mapping[str, Any]) -> float:
    """Tell for how long a phase lasted, by the database's clock: from its begin to its row in the audit."""
    return (dt.datetime.fromisoformat(row["at"]) - dt.datetime.fromisoformat(row["started_at"])).total_seconds()


def _measured(ended: Finished, phases: dict[str, float], metrics: dict[str, float]) -> Measured:
    rest = ended.seconds - sum(phases.values())
    return Measured({**phases, REST: rest}, ended.seconds, ended.cpu_seconds, ended.peak_bytes, metrics)
