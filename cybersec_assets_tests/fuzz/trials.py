"""Read one damaged file with both paths, in this process or in another."""

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
"""The most characters of an error as a shell prints it."""
SECONDS = 5
"""The limit of processor time, which a busy machine does not change."""
MEMORY = "/dev/shm"
FOLDERS = MEMORY if Path(MEMORY).is_dir() else None
"""The folder for files: in memory, if the system has such a folder."""


def try_lines(name, seeds):
    """Check that no damaged line is lost or invented."""
    _try(partial(_try_lines, SAMPLES[name]), seeds)


def _try_lines(sample, seed):
    lines = damaged_lines(sample, seed)
    count = sample.count(lines)
    kept, rejected, said = outcome(sample.head + b"".join(line + b"\n" for line in lines), sample.fmt)
    assert count is None or (kept + rejected, said) == (count, "")


def try_bytes(name, seeds):
    """Check that damaged files are read, or reported in one line."""
    _try(lambda seed: outcome(*_file(name, seed)), seeds)


def _try(attempt, seeds):
    """Try all files, and then raise all errors, each with its seed."""
    found = []
    for seed in seeds:
        try:
            attempt(seed)
        except Exception as error:  # noqa: BLE001 - it is reported with its seed
            error.add_note(f"seed {seed}")
            found.append(error)
    if found:
        raise ExceptionGroup("some files are read wrongly", found)


def try_long_values(name, seeds):
    """Check that a long value in a file is quoted in a short line, whatever its characters."""
    _try(lambda seed: outcome(with_long_value(SAMPLES[name], seed), SAMPLES[name].fmt), seeds)


def try_bytes_isolated(name, seeds):
    """Run `try_bytes` in another process for all seeds; if that crashes, find the file that the product must report."""
    try:
        isolate(partial(try_bytes, name, seeds))
    except StepDiedError:
        middle = len(seeds) // 2
        for half in (seeds[:middle], seeds[middle:]) if middle else ():
            try_bytes_isolated(name, half)
        if not middle:
            _try(partial(require_reported_crash, name), seeds)


def require_reported_crash(name, seed):
    """Check that a file that crashes the process that reads it is reported in one line."""
    *_, said = outcome(*_file(name, seed), isolate=True)
    assert "the process that read it ended with" in said


def _file(name, seed):
    return damaged_file(SAMPLES[name], seed), AUTO if seed % 2 else SAMPLES[name].fmt


def outcome(content, fmt, *, isolate=False):
    """Read a file, and return the numbers of kept and rejected records and the error message."""
    begin = time.process_time()
    found = (0, 0, "")
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
    """Check that an error is one short printable line."""
    assert len(f"error: {message}") <= LONGEST_LINE
    assert message.isprintable()


def read(folder, content, fmt, *, isolate):
    """Read a file with both paths, compare them, and return the kept and the rejected records.

    Only with `isolate` is it read in a process of its own, as the product does, which takes far longer.
    """
    (folder / "log").write_bytes(content)
    logs = FlowSource(str(folder / "log"), fmt).logs_of(DAY, folder / "logs")
    complete = replace(logs, parts=[replace(part, fast_scan=None, isolate=isolate) for part in logs.parts])
    ingested = ingest(complete, folder / "kept", folder / "rejected")
    try:
        require_share(ingested, 0)
    except DamagedLogError as error:
        require_short_line(str(error))
    (part,) = logs.parts
    kept = pl.read_parquet(folder / "kept")
    rejected = NOTHING
    if ingested.rejected:
        rejected = pl.read_parquet(folder / "rejected")
    assert (kept.height, rejected.height) == (ingested.rows, ingested.rejected)
    fast_rows = None if part.fast_scan is None else rows_of_fast_path(part.fast_scan(part.files))
    if fast_rows is not None:
        assert rejected.is_empty()
        assert fast_rows.equals(kept)
    return kept, rejected


def rows_of_fast_path(fast):
    """Return the rows of the fast path; None if it fails or a row is suspect."""
    try:
        found = fast.collect(engine="streaming")
    except READING_FAILED:
        return None
    return None if found["suspect"].any() else found.drop("suspect")
