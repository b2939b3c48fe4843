"""Every reader, on files that were damaged at random; `make fuzz` tries a hundred thousand for each."""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cybersec_assets.errors import CybersecError
from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.readers import readers
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.flows.logs import DAY
from cybersec_assets_tests.fuzz.damage import files_of, lines_of
from cybersec_assets_tests.fuzz.samples import SAMPLES

INPUTS = int(os.environ.get("CYBERSEC_TEST_FUZZ") or 60)
"""How many files are tried for each reader."""
SECONDS = 5
"""Of the processor, so that a busy machine is not taken for a reader that hangs."""
tried = settings(max_examples=INPUTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def test_every_reader_has_a_sample():
    """No reader is left out."""
    assert set(SAMPLES) == set(readers())


@pytest.mark.parametrize("name", SAMPLES)
@tried
@given(data=st.data())
def test_no_record_is_lost_or_made(name, data):
    """Of records damaged on their lines each is kept or told as damaged, none twice, and both ways of reading agree."""
    sample = SAMPLES[name]
    lines = data.draw(lines_of(sample))
    content = sample.head + b"".join(line + b"\n" for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        kept, rejected = read(Path(folder), content, name)
    assert kept.height + rejected.height == sample.count(lines)


@pytest.mark.parametrize("name", SAMPLES)
@tried
@given(data=st.data())
def test_any_bytes_end_in_records_or_in_one_line(name, data):
    """Whatever is damaged, the head and the line ends too, reading ends soon, in records or in an error of one line."""
    content = data.draw(files_of(SAMPLES[name]))
    with tempfile.TemporaryDirectory() as folder:
        begin, said = time.process_time(), ""
        try:
            read(Path(folder), content, data.draw(st.sampled_from(["auto", name])))
        except CybersecError as error:
            said = str(error)
    assert "\n" not in said
    assert time.process_time() - begin < SECONDS


def read(folder, content, fmt):
    """Read a file in both ways, hold them against each other, and give what was kept and what was rejected."""
    (folder / "log").write_bytes(content)
    logs = FlowSource(str(folder / "log"), fmt).logs_of(DAY, folder / "logs")
    ingested = ingest(replace(logs, quick=None), folder / "kept", folder / "rejected")
    kept, rejected = pl.read_parquet(folder / "kept"), pl.read_parquet(folder / "rejected")
    assert (kept.height, rejected.height) == (ingested.rows, ingested.rejected)
    quickly = None if logs.quick is None else in_the_quick_way(logs.quick)
    if quickly is not None:
        assert rejected.is_empty()
        assert quickly.equals(kept)
    return kept, rejected


def in_the_quick_way(quick):
    """Read quickly, and give nothing where anything is suspect."""
    try:
        found = quick.collect(engine="streaming")
    except pl.exceptions.PolarsError:
        return None
    return None if found["suspect"].any() else found.drop("suspect")
