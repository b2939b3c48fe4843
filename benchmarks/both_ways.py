"""Run a day with the job and with plain code, each in a new process, on the same flows and the same store."""

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
CREATE_DATABASE = """
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
    """The measurements of one run.

    Attributes:
        phases: Seconds of each phase, and of the rest of the run.
        seconds: Seconds from the start of the process to its exit.
        cpu_seconds: Processor time of the process.
        peak_bytes: Peak memory of the process.
        metrics: The metrics of the evaluation.
    """

    phases: dict[str, float]
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    metrics: dict[str, float]


def run_job(flows: int, home: Path, store: Mapping[str, str]) -> Measured:
    """Run `daily_training`: the command, its Dagster run and its audit in the embedded PostgreSQL."""
    settings = {"HOME": str(home), "CYBERSEC_HOME": str(home / "cybersec"), "CYBERSEC_SYNTHETIC_FLOWS": str(flows)}
    ended = run([COMMAND, "run", "--date", DAY, "--json"], {**settings, **store})
    document = json.loads(ended.output)
    phases = {PHASES[row["asset"]]: _seconds(row) for row in document["phases"]}
    return _measured(ended, phases, document["metrics"])


def create_database(home: Path) -> None:
    """Create the embedded PostgreSQL's data folder, which an installation does once."""
    run([sys.executable, "-c", CREATE_DATABASE], {"HOME": home, "CYBERSEC_HOME": home / "cybersec"})


def plain_code(flows: int, home: Path, store: Mapping[str, str]) -> Measured:
    """Run `plain.py`."""
    settings = {"HOME": str(home), "PYTHONPATH": str(CHECKOUT), "PLAIN_FOLDER": str(home / "plain")}
    ended = run([PLAIN_PYTHON, CHECKOUT / "benchmarks" / "plain.py", DAY, str(flows)], {**settings, **store})
    document = json.loads(ended.output)
    return _measured(ended, document["seconds"], document["metrics"])


def _seconds(row: Mapping[str, Any]) -> float:
    """Return the duration of a phase by the database's clock, from its start to its row in the audit."""
    return (dt.datetime.fromisoformat(row["at"]) - dt.datetime.fromisoformat(row["started_at"])).total_seconds()


def _measured(ended: Finished, phases: dict[str, float], metrics: dict[str, float]) -> Measured:
    rest = ended.seconds - sum(phases.values())
    return Measured({**phases, REST: rest}, ended.seconds, ended.cpu_seconds, ended.peak_bytes, metrics)
