"""Compare reading logs with a bare Polars scan of the same files: `python -m benchmarks.reading`.

Each reading runs in a new process, and both run in turn. Imports are not measured. The peak memory is measured with two
and twenty million records, which need 7 GB below the temporary folder.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.child import run
from benchmarks.reading_logs import data

TURNS = 7
SMALL = 20
LARGE = 200
"""How often the 105,918 real records are repeated: 2.1 and 21 million records."""
JSON_TIMES = 7
EVE_TIMES = 120
HEADINGS = ("", "records", "ours", "bare Polars", "speed: bare / ours", "by processor time")


@dataclass(frozen=True)
class Read:
    """The measurements of one reading.

    Attributes:
        rows: The number of records.
        seconds: Its duration.
        cpu_seconds: Its processor time, which depends less on other work on the machine.
        peak_bytes: The peak memory of the process.
    """

    rows: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def read(way: str, file: Path) -> Read:
    """Read a log in a new process and a temporary folder."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        ended = run([sys.executable, "-m", "benchmarks.reading_child", way, file, folder], {})
    rows, seconds, cpu_seconds = ended.output.split()
    return Read(int(rows), float(seconds), float(cpu_seconds), ended.peak_bytes)


def by_turns(bare: str, file: Path) -> dict[str, list[Read]]:
    """Read a log in both ways in turn."""
    turns = [(read("ours", file), read(bare, file)) for _ in range(TURNS)]
    ours, others = zip(*turns, strict=True)
    return {"ours": list(ours), "bare": list(others)}


def write(kind: str, log: Path, times: int) -> Path:
    """Write a log that repeats its real records."""
    command = [sys.executable, "-m", "benchmarks.reading_logs", kind, log, str(times)]
    run(command, {"CYBERSEC_TEST_DATA": data().resolve()})
    return log


def measure(home: Path) -> Iterator[tuple[str, dict[str, list[Read]]]]:
    """Measure each kind of log."""
    for title, kind, name, times, bare in (
        ("Zeek TSV", "zeek", "conn.log", SMALL, "bare_csv"),
        ("Zeek TSV, gzip", "zeek_packed", "conn.log.gz", SMALL, "bare_csv"),
        ("Zeek JSON", "zeek_json", "conn.json", JSON_TIMES, "bare_ndjson"),
        ("Suricata EVE", "eve", "eve.json", EVE_TIMES, "bare_ndjson"),
    ):
        if kind != "eve" or (data() / "suricata" / "eve.json").is_file():
            log = write(kind, home / name, times)
            yield title, by_turns(bare, log)
            log.unlink()


def growth(home: Path) -> tuple[int, int]:
    """Return the peak memory of reading two and twenty million records."""
    peaks = [read("ours", write("zeek", home / "conn.log", times)).peak_bytes for times in (SMALL, LARGE)]
    return peaks[0], peaks[1]


def ratio(reads: dict[str, list[Read]], of: Callable[[Read], float]) -> float:
    """Return the relative speed: the median of the bare scan divided by ours."""
    ours, bare = (statistics.median(map(of, reads[way])) for way in ("ours", "bare"))
    return bare / ours


def row(kind: str, reads: dict[str, list[Read]]) -> tuple[str, ...]:
    """Return a row of the table."""
    ours, bare = (statistics.median(turn.seconds for turn in reads[way]) for way in ("ours", "bare"))
    ratios = (f"{ratio(reads, of):.2f}" for of in (lambda turn: turn.seconds, lambda turn: turn.cpu_seconds))
    return kind, f"{reads['ours'][0].rows:,}", f"{ours:.2f} s", f"{bare:.2f} s", *ratios


def main() -> None:
    """Measure, print each row, and write the results."""
    machine = report.machine()
    title = f"Logs to Parquet · {machine['cores']} cores, {machine['memory_gib']} GiB · medians of {TURNS}"
    lines = [f"## {title}", "", _line(HEADINGS), _line(("---", *["---:"] * (len(HEADINGS) - 1)))]
    print("\n".join(lines))
    found = {}
    with tempfile.TemporaryDirectory() as home:
        for kind, reads in measure(Path(home)):
            found[kind] = reads
            lines.append(_line(row(kind, reads)))
            print(lines[-1], flush=True)
        small, large = growth(Path(home))
    summary = (
        f"Peak memory, 2 and 20 million records of Zeek TSV: {small >> 20} and {large >> 20} MiB, {large / small:.2f}"
    )
    print(f"\n{summary}")
    figures = {kind: {way: list(map(asdict, turns)) for way, turns in reads.items()} for kind, reads in found.items()}
    peaks = {"small": small, "large": large, "growth": large / small}
    report.write(
        "read", "\n".join([*lines, "", summary, ""]), {"machine": machine, "reads": figures, "peak_bytes": peaks}
    )


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
