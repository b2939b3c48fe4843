"""Print measurements as a table, and write them as files that can be compared later."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from benchmarks.both_ways import Measured

RESULTS = Path(__file__).parent / "results"
MIB = 1024**2
Row = tuple[str, str, str, str]
HEADINGS: Row = ("", "the job", "plain code", "job / plain")


def rows(flows: int, job: Measured, plain: Measured) -> list[Row]:
    """Return the rows of the table: seconds per phase and in total, flows per second, peak memory."""
    phases = [_seconds(name, job.phases[name], plain.phases[name]) for name in job.phases]
    return [
        *phases,
        _seconds("whole", job.seconds, plain.seconds),
        _seconds("processor time", job.cpu_seconds, plain.cpu_seconds),
        ("flows per second", f"{flows / job.seconds:,.0f}", f"{flows / plain.seconds:,.0f}", ""),
        _ratio("peak memory", job.peak_bytes / MIB, plain.peak_bytes / MIB, "{:,.0f} MiB"),
        ("AUROC", f"{job.metrics['auroc']:.4f}", f"{plain.metrics['auroc']:.4f}", ""),
    ]


def table(title: str, lines: list[Row]) -> Table:
    """Return the table for the terminal."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None)
    for place, heading in enumerate(HEADINGS):
        made.add_column(heading, justify="right" if place else "left")
    for line in lines:
        made.add_row(*line)
    return made


def markdown(title: str, lines: list[Row]) -> str:
    """Return the table in Markdown."""
    ruled = [HEADINGS, ("---", "---:", "---:", "---:"), *lines]
    return "\n".join([f"## {title}", "", *("| " + " | ".join(line) + " |" for line in ruled), ""])


def machine() -> dict[str, int]:
    """Return the number of cores and the memory of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory / 1024**3)}


def write(name: str, text: str, figures: dict[str, object]) -> None:
    """Write a result to the folder of results."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")


def figures(flows: int, store: str, job: Measured, plain: Measured) -> dict[str, object]:
    """Return all measurements as JSON values."""
    ratios = {name: getattr(job, name) / getattr(plain, name) for name in ("seconds", "cpu_seconds", "peak_bytes")}
    ways = {"job": asdict(job), "plain": asdict(plain)}
    return {"flows": flows, "store": store, "machine": machine(), "ratios": ratios, **ways}


def _seconds(name: str, job: float, plain: float) -> Row:
    return _ratio(name, job, plain, "{:.1f} s")


def _ratio(name: str, job: float, plain: float, form: str) -> Row:
    return name, form.format(job), form.format(plain), f"{job / plain:.2f}"
