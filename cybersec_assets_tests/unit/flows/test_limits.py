"""Anything that is not a log is rejected early, with one line and in bounded memory."""

import gzip
import itertools
import json
import os
import subprocess
import sys

import polars as pl
import pytest
from backports import zstd

from cybersec_assets_tests.conftest import CHECKOUT
from cybersec_assets_tests.support.flows.logs import CSV, csv_log, csv_row, write, zeek_log, zeek_row

MEMORY_MIB = 512
SECONDS = 60
MIB = 1 << 20
COLUMNS = [f"c{i}" for i in range(100_000)]


def read_isolated(tmp_path, uri):
    """Read logs in a process of its own, which must end, and stay below a limit of memory."""
    small = write(tmp_path / "small", zeek_log(zeek_row()))
    command = [sys.executable, "-m", "cybersec_assets_tests.support.flows.reading", str(small), str(uri)]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=SECONDS, check=True)
    result = json.loads(ended.stdout)
    assert result["mib"] < MEMORY_MIB
    assert "\n" not in result["message"]
    return result["message"]


PACKERS = {
    "plain": (open, {"mode": "wb"}),
    "gzip": (gzip.open, {"mode": "wb", "compresslevel": 9}),
    "zstd": (zstd.open, {"mode": "wb"}),
}


def pour(path, kind, chunks):
    """Write a large file piece by piece."""
    opened, how = PACKERS[kind]
    with opened(path, **how) as file:
        for chunk in chunks:
            file.write(chunk)
    return path


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb(tmp_path, kind):
    path = pour(tmp_path / "log", kind, itertools.repeat(b"0\n" * (MIB // 2), 300))
    message = read_isolated(tmp_path, path)
    assert message.startswith(f"{path} grows to over 250 times its size when it is decompressed. Remove it; if")


@pytest.mark.parametrize("kind", PACKERS)
def test_a_line_of_a_hundred_megabytes(tmp_path, kind):
    """Only the long line is rejected."""
    endless = itertools.repeat(os.urandom(MIB // 2).hex().encode(), 100)
    chunks = [zeek_log(zeek_row()).encode(), *endless, b"\n", zeek_row().encode()]
    assert read_isolated(tmp_path, pour(tmp_path / "log", kind, chunks)) == "2"


@pytest.mark.parametrize("kind", PACKERS)
def test_a_file_of_one_line_of_a_hundred_megabytes(tmp_path, kind):
    path = pour(tmp_path / "log", kind, itertools.repeat(os.urandom(MIB // 2).hex().encode(), 100))
    assert read_isolated(tmp_path, path).startswith(f"{path} is not a flow log of a known format, it begins with")


def test_two_gigabytes_of_nul_bytes(tmp_path):
    """A crashed disk may leave a run of NUL bytes. Only the line that follows them is rejected."""
    path = write(tmp_path / "log", zeek_log(zeek_row()))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + (2 << 30))
        file.seek(0, os.SEEK_END)
        file.write(f"{zeek_row()}{zeek_row()}".encode())
    assert read_isolated(tmp_path, path) == "2"


def test_a_table_of_a_hundred_thousand_columns(tmp_path):
    row = ",".join(["1"] * len(COLUMNS))
    csv = write(tmp_path / "csv", ",".join([*CSV, *COLUMNS]) + "\n" + f"{csv_row().strip()},{row}\n" * 3)
    zeek = write(tmp_path / "zeek", zeek_log(zeek_row(), fields=[*COLUMNS]))
    parquet = tmp_path / "parquet"
    pl.DataFrame([CSV | dict.fromkeys(COLUMNS, 1)]).write_parquet(parquet)
    for path in (csv, zeek, parquet):
        assert read_isolated(tmp_path, path) == f"{path} has over 1,000 columns. Remove it: it is not a flow log."


def test_an_object_of_sixty_thousand_names(tmp_path):
    path = write(tmp_path / "log", json.dumps(dict.fromkeys(COLUMNS[:60_000], 1)) + "\n")
    assert read_isolated(tmp_path, path).startswith(f"{path} is not a flow log of a known format, it begins with")


def test_files_that_never_end_are_rejected(tmp_path):
    """A pipe, a folder and a symbolic link to itself are rejected by name without waiting for them."""
    for name, make in {
        "pipe": os.mkfifo,
        "folder": os.mkdir,
        "loop": lambda path: path.symlink_to("loop.log"),
    }.items():
        path = tmp_path / name / f"{name}.log"
        path.parent.mkdir()
        make(path)
        message = read_isolated(tmp_path, f"{path.parent}/*.log")
        assert message.startswith(
            (f"{path} is not a regular file", f"{path} cannot be read: Too many levels of symbolic")
        )


def test_a_good_log_is_read(tmp_path):
    assert read_isolated(tmp_path, write(tmp_path / "log", csv_log(*[csv_row()] * 9))) == "9"
