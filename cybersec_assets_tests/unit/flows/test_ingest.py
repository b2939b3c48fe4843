"""Ingesting a day's records: kept and rejected records, and days that fail."""

import gzip
import itertools
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import DamagedLogError, UnreadableLogError
from cybersec_assets.flows.ingest import MAX_LISTED, Ingested, ingest, require_share
from cybersec_assets.flows.plan import FILES_AT_ONCE
from cybersec_assets.flows.schema import ORIGIN, RAW_SCHEMA
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.support.flows.logs import DAY, MIDNIGHT, examples, find, write, zeek_log, zeek_row

GOOD = zeek_row()
BAD = zeek_row(duration="long")


def run(folder, share=0.01):
    """Ingest the logs of a folder into files beside it."""
    kept = folder.with_name("kept.parquet")
    rejected = folder.with_name("rejected.parquet")
    with tempfile.TemporaryDirectory() as copies:
        ingested = ingest(FlowSource(f"{folder}/*").logs_of(DAY, Path(copies) / "logs"), kept, rejected)
    require_share(ingested, share)
    return ingested, kept, rejected


@pytest.fixture
def folder(tmp_path):
    """The folder of the logs."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def test_records_go_to_two_files(folder):
    write(folder / "a.log", zeek_log(GOOD, BAD, GOOD))
    ingested, kept, rejected = run(folder, 0.5)
    assert (ingested.rows, ingested.rejected) == (2, 1)
    assert pl.read_parquet_schema(kept) == RAW_SCHEMA
    assert pl.read_parquet_schema(rejected) == ORIGIN
    assert ingested.examples.rows() == pl.read_parquet(rejected).rows() == [(f"{folder}/a.log", 8, "duration", "long")]


def test_few_damaged_lines_are_shown(folder):
    write(folder / "a.log", zeek_log(*[BAD] * (MAX_LISTED + 3)))
    ingested, *_ = run(folder, 1)
    assert ingested.examples["line"].to_list() == list(range(7, 7 + MAX_LISTED))
    assert ingested.rejected == MAX_LISTED + 3


@examples
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_share_is_of_all_lines(rows, rejected):
    share = Ingested(rows, rejected, pl.DataFrame()).rejected_share
    assert share == (rejected / (rows + rejected) if rows + rejected else 0)


def test_as_many_damaged_lines_as_allowed_pass(folder):
    """By default, one damaged line in a hundred is allowed; one in ninety-nine is not."""
    write(folder / "a.log", zeek_log(*[GOOD] * 99, BAD))
    assert run(folder)[0].rejected_share == 0.01
    write(folder / "a.log", zeek_log(*[GOOD] * 98, BAD))
    with pytest.raises(DamagedLogError):
        run(folder)


def test_too_many_damaged_lines_are_rejected_by_name(folder):
    """The message has the file, line, column and value of the first one, the number of damaged lines, and a remedy."""
    write(folder / "a.log", zeek_log(GOOD))
    write(folder / "b.log", zeek_log(GOOD, BAD, BAD))
    with pytest.raises(DamagedLogError) as caught:
        run(folder)
    assert str(caught.value) == (
        f"{folder}/b.log line 8: duration 'long' does not parse; 2 of 4 lines are damaged (50.0%, allowed 1.0%). "
        "Repair or remove the damaged lines, or raise max_rejected_share: in the Launchpad, or with `cybersec run "
        "--max-rejected-share`."
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [(zeek_row(ts="-"), "timestamp is missing or wrong"), ("tcp\n", "number of fields is missing or wrong")],
    ids=["unset", "cut"],
)
def test_a_line_without_a_value_is_rejected_by_name(folder, row, said):
    write(folder / "a.log", zeek_log(row, GOOD))
    with pytest.raises(DamagedLogError, match=rf"^{folder}/a\.log line 7: {said}; 1 of 2 lines are damaged"):
        run(folder)


@pytest.mark.parametrize("cut", [1, 9, 5_000], ids=["last byte", "checksum", "records"])
def test_a_cut_gzip_file_among_others_is_rejected_by_name(folder, cut):
    rows = [zeek_row(ts=f"{MIDNIGHT + i}.{i:06d}", uid=f"C{i**5}") for i in range(12_000)]
    text = zeek_log(*rows).encode()
    for name, lost in (("a.gz", 0), ("b.gz", cut), ("c.gz", 0)):
        (folder / name).write_bytes(gzip.compress(text)[: -lost or None])
    with pytest.raises(UnreadableLogError, match=rf"^{folder}/b\.gz is a damaged gzip file: .+\. Fetch the file again"):
        run(folder)


def test_a_missing_copy_is_an_error_of_the_disk(folder):
    """If the staged copy is missing, the error does not blame the log."""
    logs = find(write(folder / "a.log", zeek_log(GOOD)))
    with pytest.raises(FileNotFoundError, match=r"0\.log"):
        ingest(logs, folder.with_name("kept"), folder.with_name("rejected"))


def test_many_files_are_read_some_at_a_time(folder):
    """Files beyond FILES_AT_ONCE are read completely and in order, each part with the path that it needs."""
    for number in range(2 * FILES_AT_ONCE + 1):
        bad = [BAD] if number == FILES_AT_ONCE + 3 else []
        write(folder / f"{number:04}.log", zeek_log(zeek_row(uid=str(number)), *bad))
    ingested, kept, rejected = run(folder)
    assert pl.read_parquet(kept)["uid"].to_list() == [str(number) for number in range(2 * FILES_AT_ONCE + 1)]
    assert (ingested.rejected, pl.read_parquet(rejected)["line"].to_list()) == (1, [8])
    assert sorted(path.name for path in kept.parent.iterdir()) == ["kept.parquet", "logs", "rejected.parquet"]


def test_a_day_without_records_is_empty(folder):
    write(folder / "a.log", zeek_log())
    ingested, kept, _ = run(folder)
    assert (ingested.rows, ingested.rejected, ingested.examples.height) == (0, 0, 0)
    assert pl.read_parquet(kept).height == 0


def test_many_records_keep_their_order(folder):
    size = 60_000
    for name, first in (("a.log", 0), ("b.log", size)):
        write(folder / name, zeek_log(*(zeek_row(uid=str(i)) for i in range(first, first + size))))
    _, kept, _ = run(folder)
    assert pl.read_parquet(kept)["uid"].to_list() == list(map(str, range(2 * size)))


def test_synthetic_flows_are_ingested_like_others(folder):
    kept = folder.with_name("kept.parquet")
    ingested = ingest(find(None, synthetic=2_500), kept, folder.with_name("rejected.parquet"))
    assert (ingested.rows, ingested.rejected) == (2_500, 0)
    times = pl.read_parquet(kept)["timestamp"].to_list()
    assert all(one <= other for one, other in itertools.pairwise(times))
