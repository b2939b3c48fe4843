"""Compare the job of a small day with an empty Dagster run: `python -m benchmarks.empty_run [PAIRS]`.

Both are whole processes in the product's environment. They run in turn, so that other work on the machine affects both.
Each runs once before it is measured, which creates the databases and fills the file caches.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.both_ways import DAY, create_database, run_job
from benchmarks.child import CHECKOUT, run

FLOWS = 200_000
PAIRS = 3
PYTHON = CHECKOUT / ".venv" / "bin" / "python"
INSTANCE_YAML = "telemetry:\n  enabled: false\n"


def empty_run(home: Path) -> float:
    """Run the empty chain and return its seconds."""
    instance = home / "dagster"
    instance.mkdir(exist_ok=True)
    (instance / "dagster.yaml").write_text(INSTANCE_YAML)
    return run([str(PYTHON), "-m", "benchmarks.empty_chain", DAY], {"HOME": home, "DAGSTER_HOME": instance}).seconds


def measure(home: Path, pairs: int) -> tuple[list[float], list[float]]:
    """Return the seconds of the jobs and of the empty runs."""
    jobs = list[float]()
    empties = list[float]()
    for _ in range(pairs + 1):
        empties.append(empty_run(home))
        jobs.append(run_job(FLOWS, home, {}).seconds)
    return jobs[1:], empties[1:]


def main() -> None:
    """Measure both and write the medians."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        create_database(home)
        jobs, empties = measure(home, pairs)
    job = statistics.median(jobs)
    empty = statistics.median(empties)
    summary = (
        f"{FLOWS:,} flows (folders, embedded PostgreSQL): {job:.1f} s; an empty Dagster run: {empty:.1f} s; "
        f"{job - empty:.1f} s more (medians of {pairs})"
    )
    Console(highlight=False, soft_wrap=True).print(summary)
    report.write(
        f"empty-run-{FLOWS}",
        f"{summary}\n",
        {"flows": FLOWS, "machine": report.machine(), "job": jobs, "empty": empties, "more": job - empty},
    )


if __name__ == "__main__":
    main()
