"""Compare the job with plain pandas code: `python -m benchmarks [FLOWS ...]`, by default one and five million flows."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.both_ways import DAY, create_database, plain_code, run_job
from benchmarks.object_store import object_store

DEFAULT_FLOWS = ["1000000", "5000000"]


def main() -> None:
    """Run the job and the plain code for each number of flows."""
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        # As root, PostgreSQL runs as another user, who needs access to this folder.
        home = Path(folder)
        home.chmod(0o755)
        create_database(home)
        with object_store(home / "minio") as store:
            for flows in sys.argv[1:] or DEFAULT_FLOWS:
                _measure(int(flows), home, store, console)


def _measure(flows: int, home: Path, store: Mapping[str, str], console: Console) -> None:
    where = "MinIO" if store else "folders, without MinIO"
    machine = report.machine()
    title = f"{flows:,} flows of {DAY} · {where} · {machine['cores']} cores, {machine['memory_gib']} GiB"
    with console.status(title):
        job = run_job(flows, home, store)
        plain = plain_code(flows, home, store)
    lines = report.rows(flows, job, plain)
    console.print(report.table(title, lines))
    report.write(f"flows-{flows}", report.markdown(title, lines), report.figures(flows, where, job, plain))


if __name__ == "__main__":
    main()
