"""Measure how many seconds of a job the audit takes: `python -m benchmarks.audit_share`.

The job runs under Python's profiler. The result is the time within the audit's calls: connecting, finding dead phases,
opening and ending phases, signing heads, finding inputs. The profiler adds to this time. The first day creates the
database and the schema, which an installation does once, and is not measured.
"""

import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.child import CHECKOUT
from benchmarks.object_store import object_store
from cybersec_assets.postgres.embedded import embedded_postgres

FLOWS = 200_000
TURNS = 3
CALLS = {
    ("resources/audit.py", "_open_phases"): 1,
    ("resources/audit.py", "succeed"): 1,
    ("resources/audit.py", "find_input"): 1,
    ("journal/open_phases.py", "fail"): 1,
    ("journal/open_phases.py", "_start_or_continue"): 1,
    ("resources/object_store.py", "open"): -1,
}
"""The audit's calls. Opening the store is subtracted, because a job opens it with or without an audit."""


def child(day: str) -> None:
    """Run a day, and print the seconds of the audit and of the whole run."""
    from cybersec_assets.operations.run_day import run_day, use_instance
    from cybersec_assets.settings import load_settings

    settings = load_settings()
    use_instance(settings.home)
    profile = cProfile.Profile()
    outcome = profile.runcall(run_day, day, settings, lambda *_: None)
    assert not outcome.errors, outcome.errors
    timings = pstats.Stats(profile).stats
    seconds = sum(sign * _inclusive(timings, *call) for call, sign in CALLS.items())
    whole = max(figures[3] for figures in timings.values())
    print(json.dumps({"audit": seconds, "whole": whole}))


def _inclusive(timings: Mapping[Any, Any], suffix: str, function: str) -> float:
    """Return the seconds spent in a function, including its calls."""
    return sum(figures[3] for (file, _, name), figures in timings.items() if file.endswith(suffix) and name == function)


def run_in_process(day: str, environment: Mapping[str, str]) -> dict[str, float]:
    """Run a day in a new process."""
    command = [sys.executable, "-m", "benchmarks.audit_share", day]
    done = subprocess.run(command, cwd=CHECKOUT, env=dict(environment), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure the days and write the median."""
    if sys.argv[1:]:
        return child(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        with object_store(home / "minio") as store, embedded_postgres(home) as socket:
            environment = {"PATH": os.defpath, "HOME": folder, "CYBERSEC_HOME": str(home / "cybersec"), **store}
            environment |= {"PG_HOST": str(socket), "CYBERSEC_SYNTHETIC_FLOWS": str(FLOWS)}
            (home / "cybersec").mkdir()
            runs = [run_in_process(f"2025-11-{day:02d}", environment) for day in range(1, TURNS + 2)][1:]
    seconds = statistics.median(run["audit"] for run in runs)
    where = "MinIO" if store else "folders, without MinIO"
    summary = f"{FLOWS:,} flows ({where}): {seconds:.2f} s of the job are spent in the audit (median of {TURNS})"
    print(summary)
    report.write("audit-share", f"{summary}\n", {"machine": report.machine(), "runs": runs, "seconds": seconds})
    return None


if __name__ == "__main__":
    main()
