"""Compare the fast path of each reader with its complete one: `python -m benchmarks.fast_path`.

Each reading is a process of its own, and the two ways take turns. Copying and hashing the log is not part of the time.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.child import run
from benchmarks.reading import write
from benchmarks.reading_child import DAY
from benchmarks.report import RESULTS, machine

TURNS = 3
LOGS = (("Zeek TSV", "zeek", 3), ("Zeek JSON", "zeek_json", 3), ("Suricata EVE", "eve", 120))
"""Real logs, and how many times each is repeated."""
WAYS = ("complete", "fast")


def read(way: str, file: Path, folder: Path) -> str:
    """Ingest a log, and return its records, lines, seconds and seconds of processor time."""
    from cybersec_assets.flows.ingest import ingest
    from cybersec_assets.flows.source import FlowSource

    logs = FlowSource(str(file)).logs_of(DAY, folder / "logs")
    if way == "complete":
        logs = replace(logs, parts=[replace(part, fast_scan=None) for part in logs.parts])
    began = time.monotonic()
    busy = time.process_time()
    ingested = ingest(logs, folder / "kept", folder / "rejected")
    return f"{ingested.rows} {ingested.lines} {time.monotonic() - began} {time.process_time() - busy}"


def compare(file: Path) -> tuple[str, ...]:
    """Read a log both ways by turns, and return the cells of its row."""
    turns: dict[str, list[list[str]]] = {way: [] for way in WAYS}
    for _ in range(TURNS):
        for way in WAYS:
            with tempfile.TemporaryDirectory(dir=file.parent) as folder:
                command = ["nice", sys.executable, "-m", "benchmarks.fast_path", way, file, folder]
                turns[way].append(run(command, {}).output.split())
    rows, lines = turns["fast"][0][:2]
    complete, fast = (statistics.median(float(turn[2]) for turn in turns[way]) for way in WAYS)
    cpu = [statistics.median(float(turn[3]) for turn in turns[way]) for way in WAYS]
    seconds = (f"{complete:.2f} s", f"{fast:.2f} s")
    return f"{int(lines):,}", f"{int(rows):,}", *seconds, f"{complete / fast:.2f}", f"{cpu[0] / cpu[1]:.2f}"


def main() -> None:
    """Measure each kind of log, and write the table."""
    found = machine()
    title = f"Fast path and complete one · {found['cores']} cores, {found['memory_gib']} GiB · medians of {TURNS}"
    headings = ("", "lines", "records", "complete", "fast", "gain", "gain in processor time")
    table = [headings, ("---", *["---:"] * (len(headings) - 1))]
    with tempfile.TemporaryDirectory() as home:
        for name, kind, times in LOGS:
            log = write(kind, Path(home) / f"{kind}.log", times)
            table.append((name, *compare(log)))
            print(*table[-1], sep=" | ", flush=True)
            log.unlink()
    lines = [f"| {' | '.join(row)} |" for row in table]
    text = "\n".join([f"## {title}", "", "`python -m benchmarks.fast_path`, real logs repeated", "", *lines, ""])
    (RESULTS / "fast-path.md").write_text(text)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(read(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
    else:
        main()
