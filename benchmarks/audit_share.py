"""Tell how many seconds of a job are the audit's: `python -m benchmarks.audit_share`.

The job runs under Python's profiler, and what counts is the time within the audit's own calls: connecting, looking for
dead phases, opening and ending phases, signing heads, finding inputs. The profiler makes them slower than they are.
The day before makes database and schema, which is done once in an installation's life.
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

FLOWS, TURNS = 200_000, 3
CALLS = {
    ("resources/audit.py", "_open_phases"): 1,
    ("resources/audit.py", "succeed"): 1,
    ("resources/audit.py", "find_input"): 1,
    ("resources/audit.py", "_fail"): 1,
    ("resources/phases.py", "enter"): 1,
    ("resources/object_store.py", "open"): -1,
}
"""The audit's calls. It opens the store first, to sign its heads, but a job opens that with or without an audit."""


def child(day: str) -> None:
    """Run a day, and print the audit's seconds and the whole run's."""
    from cybersec_assets.operations.run_day import run_day, use_instance
    from cybersec_assets.settings import load_settings

    settings = load_settings()
    use_instance(settings.cybersec_home)
    profile = cProfile.Profile()
    outcome = profile.runcall(run_day, day, settings, lambda *_: None)
    assert not outcome.errors, outcome.errors
    timings = pstats.Stats(profile).stats
    seconds = sum(sign * _inclusive(timings, *call) for call, sign in CALLS.items())
    whole = max(figures[3] for figures in timings.values())
    print(json.dumps({"audit": seconds, "whole": whole}))


def _inclusive(timings: Mapping[Any, Any], place: str, function: str) -> float:
    """Give the seconds that were spent in a function and all that it calls."""
    return sum(figures[3] for (file, _, name), figures in timings.items() if file.endswith(place) and name == function)


def in_a_process(day: str, environment: Mapping[str, str]) -> dict[str, float]:
    """Run a day in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.audit_share", day]
    done = subprocess.run(command, cwd=CHECKOUT, env=dict(environment), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure, and write the median down."""
    if sys.argv[1:]:
        return child(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        with object_store(home / "minio") as store, embedded_postgres(home) as socket:
            environment = {"PATH": os.defpath, "HOME": folder, "CYBERSEC_HOME": str(home / "cybersec"), **store}
            environment |= {"PG_HOST": str(socket), "CYBERSEC_SYNTHETIC_FLOWS": str(FLOWS)}
            (home / "cybersec").mkdir()
            runs = [in_a_process(f"2025-11-{day:02d}", environment) for day in range(1, TURNS + 2)][1:]
    seconds = statistics.median(run["audit"] for run in runs)
    where = "MinIO" if store else "folders, as there is no MinIO"
    said = f"{FLOWS:,} flows ({where}): {seconds:.2f} s of the job are the audit's (median of {TURNS})"
    print(said)
    report.write("audit-share", f"{said}\n", {"machine": report.machine(), "runs": runs, "seconds": seconds})
    return None


if __name__ == "__main__":
    main()
