"""One damaged file tried: read in every way that there is, by itself or in a process of its own."""

import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from cybersec_assets.errors import CybersecError, DamagedLogError, LostLinesError
from cybersec_assets.flows.ingest import ingest, require_share
from cybersec_assets.flows.isolation import StepDiedError, isolate
from cybersec_assets.flows.readers import AUTO
from cybersec_assets.flows.readers.base import READING_FAILED
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.fuzz.damage import damaged_file, damaged_lines, with_long_value
from cybersec_assets_tests.fuzz.samples import SAMPLES
from cybersec_assets_tests.support.flows.logs import DAY, NOTHING

LONGEST_LINE = 500
"""Characters of an error as a shell prints it."""
SECONDS = 5
"""Of the processor, so that a busy machine is not taken for a reader that hangs."""
MEMORY = "/dev/shm"
FOLDERS = MEMORY if Path(MEMORY).is_dir() else None
"""Where files go: to memory, where a system has such a folder."""


def try_lines(name, seeds):
    """Require that of damaged lines none is lost and none is made."""
    _try(partial(_try_lines, SAMPLES[name]), seeds)


def _try_lines(sample, seed):
    lines = damaged_lines(sample, seed)
    count = sample.count(lines)
    kept, rejected, said = outcome(sample.head + b"".join(line + b"\n" for line in lines), sample.fmt)
    assert count is None or (kept + rejected, said) == (count, "")


def try_bytes(name, seeds):
    """Require that damaged files are read, or told in a line."""
    _try(lambda seed: outcome(*_file(name, seed)), seeds)


def _try(attempt, seeds):
    """Try all files, and then raise what is wrong with any, each with its seed."""
    found = []
    for seed in seeds:
        try:
            attempt(seed)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            error.add_note(f"seed {seed}")
            found.append(error)
    if found:
        raise ExceptionGroup("some files are read wrongly", found)


def try_long_values(name, seeds):
    """Require that a long value in a file is quoted in a short line, whatever characters it is made of."""
    _try(lambda seed: outcome(with_long_value(SAMPLES[name], seed), SAMPLES[name].fmt), seeds)


def try_bytes_apart(name, seeds):
    """Do so in another process, for all seeds at once; where one ends that process, try the product's own way."""
    try:
        isolate(partial(try_bytes, name, seeds))
    except StepDiedError:
        middle = len(seeds) // 2
        for half in (seeds[:middle], seeds[middle:]) if middle else ():
            try_bytes_apart(name, half)
        if not middle:
            _try(partial(require_told_death, name), seeds)


def require_told_death(name, seed):
    """Require that a file that ends the process that reads it ends no other, and is told in a line."""
    *_, said = outcome(*_file(name, seed), isolate=True)
    assert "the process that read it ended with" in said


def _file(name, seed):
    return damaged_file(SAMPLES[name], seed), AUTO if seed % 2 else SAMPLES[name].fmt


def outcome(content, fmt, *, isolate=False):
    """Read a file, and tell how many records were kept, how many rejected, and what the error says if there is one."""
    begin, found = time.process_time(), (0, 0, "")
    with tempfile.TemporaryDirectory(dir=FOLDERS) as folder:
        try:
            kept, rejected = read(Path(folder), content, fmt, isolate=isolate)
            found = kept.height, rejected.height, ""
        except LostLinesError:
            raise
        except CybersecError as error:
            found = 0, 0, str(error)
    require_short_line(found[2])
    assert time.process_time() - begin < SECONDS
    return found


def require_short_line(message):
    """Require that an error is one printable line that is not longer than a person reads."""
    assert len(f"error: {message}") <= LONGEST_LINE
    assert message.isprintable()


def read(folder, content, fmt, *, isolate):
    """Read a file in both ways, hold them against each other, and give what was kept and what was rejected.

    Only where it is `isolate` is it read in a process of its own, as the product does: that takes far longer.
    """
    (folder / "log").write_bytes(content)
    logs = FlowSource(str(folder / "log"), fmt).logs_of(DAY, folder / "logs")
    slowly = replace(logs, parts=[replace(part, fast_scan=None, isolate=isolate) for part in logs.parts])
    ingested = ingest(slowly, folder / "kept", folder / "rejected")
    try:
        require_share(ingested, 0)
    except DamagedLogError as error:
        require_short_line(str(error))
    (part,) = logs.parts
    kept, rejected = pl.read_parquet(folder / "kept"), NOTHING
    if ingested.rejected:
        rejected = pl.read_parquet(folder / "rejected")
    assert (kept.height, rejected.height) == (ingested.rows, ingested.rejected)
    quickly = None if part.fast_scan is None else in_the_quick_way(part.fast_scan(part.files))
    if quickly is not None:
        assert rejected.is_empty()
        assert quickly.equals(kept)
    return kept, rejected


def in_the_quick_way(quick):
    """Read quickly, and give nothing where anything is suspect."""
    try:
        found = quick.collect(engine="streaming")
    except READING_FAILED:
        return None
    return None if found["suspect"].any() else found.drop("suspect")
