"""Measure the job beside the plain way: `python -m benchmarks [FLOWS ...]`, one and five million if not given."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.both_ways import DAY, make_database, the_job, the_plain_way
from benchmarks.object_store import object_store

DEFAULT_FLOWS = ["1000000", "5000000"]


def main() -> None:
    """Run both ways for each number of flows, the plain one last."""
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        # As root, PostgreSQL runs as another user, who must be let through.
        home = Path(folder)
        home.chmod(0o755)
        make_database(home)
        with object_store(home / "minio") as store:
            for flows in sys.argv[1:] or DEFAULT_FLOWS:
                _measure(int(flows), home, store, console)


def _measure(flows: int, home: Path, store: Mapping[str, str], console: Console) -> None:
    where = "MinIO" if store else "folders, as there is no MinIO"
    machine = report.machine()
    title = f"{flows:,} flows of {DAY} · {where} · {machine['cores']} cores, {machine['memory_gib']} GiB"
    with console.status(title):
        job = the_job(flows, home, store)
        plain = the_plain_way(flows, home, store)
    lines = report.rows(flows, job, plain)
    console.print(report.table(title, lines))
    report.write(f"flows-{flows}", report.markdown(title, lines), report.figures(flows, where, job, plain))


if __name__ == "__main__":
    main()
