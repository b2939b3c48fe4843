"""Parquet is read in a process of its own, which a damaged file may crash."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.pseudonyms.pseudonyms import Pseudonyms
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.support.flows.logs import CSV, DAY, abortive_parquet, read, write


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "flows.parquet"


def write_flow(log, **values):
    """Write one flow, with some values changed."""
    pl.DataFrame({name: [value] for name, value in (CSV | values).items()}).write_parquet(log)


def test_a_file_that_crashes_polars_is_named(log):
    for name in "a", "c":
        write_flow(log.with_name(f"{name}.parquet"))
    bad = write(log.with_name("b.parquet"), abortive_parquet(CSV))
    said = rf"^{bad} cannot be read: the process that read it ended with SIGABRT: memory allocation .+ Restore the file"
    with pytest.raises(UnreadableLogError, match=said):
        run(log.with_name("*.parquet"))


def test_polars_aborts_on_a_negative_number_of_values(log):
    """If this fails, Polars no longer aborts and the isolation may not be needed any more."""
    script = "import sys, polars as pl; pl.scan_parquet(sys.argv[1]).collect()"
    ended = subprocess.run(
        [sys.executable, "-c", script, write(log, abortive_parquet(CSV))], check=False, capture_output=True
    )
    assert ended.returncode == -signal.SIGABRT


def test_isolated_reading_gives_the_same_result(log):
    write_flow(log, bytes="-1")
    write_flow(log.with_name("b.parquet"), src_ip="10.0.0.9")
    uri = log.with_name("*.parquet")
    for options in {}, {"columns": "bytes=duration"}, {"pseudonyms": Pseudonyms(bytes(range(32)))}:
        for found, expected in zip(run(uri, **options), read(uri, **options), strict=True):
            assert found.equals(expected)
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column nowhere, which FLOWS_COLUMNS names\. Co"):
        run(log, columns="bytes=nowhere")


def run(uri, **options):
    """Ingest logs as the product does, and return the kept and the rejected records."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept.parquet"
        rejected = Path(folder) / "rejected.parquet"
        ingest(FlowSource(str(uri), **options).logs_of(DAY, Path(folder) / "logs"), kept, rejected)
        return pl.read_parquet(kept), pl.read_parquet(rejected)
