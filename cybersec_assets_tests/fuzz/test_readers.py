"""Every reader, on files that were damaged at random; `make fuzz` tries a hundred thousand for each."""

import os
import random
from itertools import islice

import pytest

from cybersec_assets.flows.readers import readers
from cybersec_assets_tests.fuzz.samples import SAMPLES
from cybersec_assets_tests.fuzz.trials import require_told_death, try_bytes, try_bytes_apart, try_lines, try_long_values

INPUTS = int(os.environ.get("CYBERSEC_TEST_FUZZ") or 200)
"""How many files are tried for each reader, shared out among the samples and tests that it has."""
IS_SAMPLE = "CYBERSEC_TEST_FUZZ" not in os.environ
"""The sample tries the same files every time, so that nobody's build fails over what another's change did not do."""
TOGETHER = 500
"""How many files are tried together, in a process of their own where a reader needs one."""
ABORTS = 204_469
"""The seed of a Parquet file over which Polars 2.1 asks for 2^61 bytes."""
COUNTED = [name for name, sample in SAMPLES.items() if sample.count]
TRIED = [SAMPLES[name].fmt for name in [*COUNTED, *SAMPLES]]
"""The format of each sample, once for each test that tries it."""


def test_every_reader_has_a_sample():
    """No reader is left out."""
    assert {sample.fmt for sample in SAMPLES.values()} == set(readers())


@pytest.mark.parametrize("name", COUNTED)
def test_no_record_is_lost_or_made(name, subtests):
    """Of records damaged on their lines each is kept or told as damaged, none twice, and both ways of reading agree."""
    for seeds in some_seeds(SAMPLES[name]):
        with subtests.test(first=seeds[0]):
            try_lines(name, seeds)


@pytest.mark.parametrize("name", SAMPLES)
def test_any_bytes_end_in_records_or_in_one_line(name, subtests):
    """Whatever is damaged, the head and the line ends too, reading ends soon, in records or in an error of one line."""
    sample = SAMPLES[name]
    attempt = try_bytes_apart if readers()[sample.fmt].isolate else try_bytes
    for seeds in some_seeds(sample):
        with subtests.test(first=seeds[0]):
            attempt(name, seeds)


@pytest.mark.parametrize("name", COUNTED)
def test_a_long_value_is_quoted_in_a_short_line(name):
    """An error has at most 500 characters, however long the value is that it quotes."""
    try_long_values(name, range(INPUTS // 10))


def test_a_file_that_ends_whoever_reads_it_is_told():
    """Of a file that has Polars abort, as of any other, one line tells."""
    require_told_death("parquet", ABORTS)


def some_seeds(sample):
    """Give a test's share of a sample's files by their seeds, some at a time."""
    chosen = random.Random(0 if IS_SAMPLE else None)
    seeds = iter([chosen.randrange(2**64) for _ in range(INPUTS // TRIED.count(sample.fmt))])
    return iter(lambda: list(islice(seeds, TOGETHER)), [])
