"""Read randomly damaged files with every reader; `make fuzz` tries a hundred thousand for each."""

import os
import random
from itertools import islice

import pytest

from cybersec_assets.flows.readers import readers
from cybersec_assets_tests.fuzz.samples import SAMPLES
from cybersec_assets_tests.fuzz.trials import (
    require_reported_crash,
    try_bytes,
    try_bytes_isolated,
    try_lines,
    try_long_values,
)

INPUTS = int(os.environ.get("CYBERSEC_TEST_FUZZ") or 200)
"""The number of files for each reader, divided among its samples and tests."""
IS_SAMPLE = "CYBERSEC_TEST_FUZZ" not in os.environ
"""Without the variable, the same files are tried every time, so that builds are reproducible."""
TOGETHER = 500
"""The number of files that are tried in one process."""
ABORTS = 204_469
"""The seed of a Parquet file for which Polars 2.1 requests 2^61 bytes."""
COUNTED = [name for name, sample in SAMPLES.items() if sample.count]
TRIED = [SAMPLES[name].fmt for name in [*COUNTED, *SAMPLES]]
"""The format of each sample, once for each test that tries it."""


def test_every_reader_has_a_sample():
    assert {sample.fmt for sample in SAMPLES.values()} == set(readers())


@pytest.mark.parametrize("name", COUNTED)
def test_no_record_is_lost_or_invented(name, subtests):
    """Each damaged line is kept or rejected, none twice, and both paths agree."""
    for seeds in some_seeds(SAMPLES[name]):
        with subtests.test(first=seeds[0]):
            try_lines(name, seeds)


@pytest.mark.parametrize("name", SAMPLES)
def test_any_bytes_end_in_records_or_in_one_line(name, subtests):
    """Whatever is damaged, even the head and the line ends, reading ends soon with records or with a one-line error."""
    sample = SAMPLES[name]
    attempt = try_bytes_isolated if readers()[sample.fmt].isolate else try_bytes
    for seeds in some_seeds(sample):
        with subtests.test(first=seeds[0]):
            attempt(name, seeds)


@pytest.mark.parametrize("name", COUNTED)
def test_a_long_value_is_quoted_in_a_short_line(name):
    """An error has at most 500 characters, however long the value that it quotes."""
    try_long_values(name, range(INPUTS // 10))


def test_a_file_that_crashes_its_reader_is_reported():
    require_reported_crash("parquet", ABORTS)


def some_seeds(sample):
    """Yield the seeds of a sample's files for one test, TOGETHER at a time."""
    chosen = random.Random(0 if IS_SAMPLE else None)
    seeds = iter([chosen.randrange(2**64) for _ in range(INPUTS // TRIED.count(sample.fmt))])
    return iter(lambda: list(islice(seeds, TOGETHER)), [])
