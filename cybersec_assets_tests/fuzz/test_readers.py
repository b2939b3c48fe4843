"""Every reader, on files that were damaged at random; `make fuzz` tries a hundred thousand for each."""

import os
import random
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from cybersec_assets.errors import CybersecError
from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.readers import AUTO, readers
from cybersec_assets.flows.readers.base import READING_FAILED
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.flows.logs import DAY, NOTHING
from cybersec_assets_tests.fuzz.damage import damaged_file, damaged_lines
from cybersec_assets_tests.fuzz.samples import SAMPLES

INPUTS = int(os.environ.get("CYBERSEC_TEST_FUZZ") or 200)
"""How many files are tried for each reader, shared out among the samples and tests that it has."""
IS_SAMPLE = "CYBERSEC_TEST_FUZZ" not in os.environ
"""The sample tries the same files every time, so that nobody's build fails over what another's change did not do."""
TOGETHER = 500
"""How many files are tried together: of these the first at fault is told, and the next ones are tried all the same."""
SECONDS = 5
"""Of the processor, so that a busy machine is not taken for a reader that hangs."""
MEMORY = "/dev/shm"
FOLDERS = MEMORY if Path(MEMORY).is_dir() else None
"""Where files go: to memory, where a system has such a folder."""
COUNTED = [name for name, sample in SAMPLES.items() if sample.count]
TRIED = [SAMPLES[name].fmt for name in [*COUNTED, *SAMPLES]]
"""The format of each sample, once for each test that tries it."""


def test_every_reader_has_a_sample():
    """No reader is left out."""
    assert {sample.fmt for sample in SAMPLES.values()} == set(readers())


@pytest.mark.parametrize("name", COUNTED)
def test_no_record_is_lost_or_made(name, subtests):
    """Of records damaged on their lines each is kept or told as damaged, none twice, and both ways of reading agree."""
    sample = SAMPLES[name]
    for seeds in some_seeds(sample):
        with subtests.test(first=seeds[0]):
            for seed in seeds:
                lines = damaged_lines(sample, seed)
                count = sample.count(lines)
                kept, rejected, said = outcome(sample.head + b"".join(line + b"\n" for line in lines), sample.fmt)
                assert count is None or (kept + rejected, said) == (count, ""), f"seed {seed}"


@pytest.mark.parametrize("name", SAMPLES)
def test_any_bytes_end_in_records_or_in_one_line(name, subtests):
    """Whatever is damaged, the head and the line ends too, reading ends soon, in records or in an error of one line."""
    sample = SAMPLES[name]
    for seeds in some_seeds(sample):
        with subtests.test(first=seeds[0]):
            for seed in seeds:
                outcome(damaged_file(sample, seed), AUTO if seed % 2 else sample.fmt)


def some_seeds(sample):
    """Give a test's share of a sample's files by their seeds, some at a time."""
    chosen = random.Random(0 if IS_SAMPLE else None)
    seeds = iter([chosen.randrange(2**64) for _ in range(INPUTS // TRIED.count(sample.fmt))])
    return iter(lambda: list(islice(seeds, TOGETHER)), [])


def outcome(content, fmt):
    """Read a file, and tell how many records were kept, how many rejected, and what the error says if there is one."""
    begin, found = time.process_time(), (0, 0, "")
    with tempfile.TemporaryDirectory(dir=FOLDERS) as folder:
        try:
            kept, rejected = read(Path(folder), content, fmt)
            found = kept.height, rejected.height, ""
        except CybersecError as error:
            found = 0, 0, str(error)
    assert len(found[2].splitlines()) <= 1
    assert time.process_time() - begin < SECONDS
    return found


def read(folder, content, fmt):
    """Read a file in both ways, hold them against each other, and give what was kept and what was rejected."""
    (folder / "log").write_bytes(content)
    logs = FlowSource(str(folder / "log"), fmt).logs_of(DAY, folder / "logs")
    slowly = replace(logs, parts=[replace(part, quick=None) for part in logs.parts])
    ingested = ingest(slowly, folder / "kept", folder / "rejected")
    (part,) = logs.parts
    kept, rejected = pl.read_parquet(folder / "kept"), NOTHING
    if ingested.rejected:
        rejected = pl.read_parquet(folder / "rejected")
    assert (kept.height, rejected.height) == (ingested.rows, ingested.rejected)
    quickly = None if part.quick is None else in_the_quick_way(part.quick())
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
