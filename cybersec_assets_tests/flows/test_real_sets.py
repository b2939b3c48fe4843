"""Labelled research sets, read as they are, against what plain Python and NumPy count in them."""

import csv
import math

import numpy as np
import polars as pl
import pytest

from cybersec_assets_tests.flows.logs import read

MADE_UP = "timestamp='2024-04-19',src_ip='0.0.0.0',dst_ip='0.0.0.0'"
NSL_KDD = (
    f"{MADE_UP},protocol=#2,service=#3,conn_state=#4,duration=#1,bytes=#5+#6,orig_bytes=#5,resp_bytes=#6,label=#42"
)
ADBENCH = f"{MADE_UP},protocol='tcp',duration=seconds,bytes=src bytes+dst bytes,orig_bytes=src bytes,label=y"
ADBENCH_ROWS = {"http": (567_498, 2_211), "smtp": (95_156, 30)}


def read_whole(path, columns=None):
    """Read a file of which every record parses."""
    flows, rejected = read(path, columns=columns)
    assert rejected.is_empty()
    return flows


def test_nsl_kdd_is_read_as_it_is(shared_data):
    """Rows, volumes, durations, protocols and labels of NSL-KDD are those that Python's own reader finds."""
    path = shared_data / "labelled/nsl-kdd-train-20percent.txt"
    flows = read_whole(path, NSL_KDD)
    with path.open(newline="") as lines:
        rows = list(csv.reader(lines))
    assert flows.height == len(rows) == 25_192
    assert flows["label"].to_list() == [row[41] != "normal" for row in rows]
    assert flows["label"].not_().sum() == 13_449
    assert flows["duration"].sum() == sum(int(row[0]) for row in rows)
    assert flows["bytes"].to_list() == [int(row[4]) + int(row[5]) for row in rows]
    assert flows["orig_bytes"].sum() == sum(int(row[4]) for row in rows)
    assert flows["resp_bytes"].sum() == sum(int(row[5]) for row in rows)
    assert flows["protocol"].to_list() == [row[1] for row in rows]


@pytest.fixture(params=ADBENCH_ROWS)
def adbench(request, shared_data):
    """One of ADBench's sets: seconds and bytes with their logarithms undone, the labels, and how many of each."""
    arrays = np.load(shared_data / f"labelled/adbench-{request.param}.npz")
    # The logarithm was taken of the value and a tenth.
    return (np.exp(arrays["X"]) - 0.1).round(), arrays["y"], ADBENCH_ROWS[request.param]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_adbench_is_read_by_its_own_names(adbench, tmp_path, kind):
    """Rows, volumes, durations and labels of arrays that a tool wrote as floats are those that NumPy finds."""
    values, labels, expected = adbench
    table = pl.DataFrame(values, schema=["seconds", "src bytes", "dst bytes"]).with_columns(y=pl.Series(labels))
    path = tmp_path / "flows"
    table.write_csv(path) if kind == "csv" else table.write_parquet(path)
    flows = read_whole(path, ADBENCH)
    assert (flows.height, flows["label"].sum()) == (len(values), labels.sum()) == expected
    assert flows["duration"].sum() == values[:, 0].sum()
    assert np.array_equal(flows["bytes"].to_numpy(), values[:, 1] + values[:, 2])
    assert flows["orig_bytes"].sum() == values[:, 1].sum()
    assert np.array_equal(flows["label"].to_numpy(), labels == 1)


def test_labelled_zeek_is_what_plain_python_counts(shared_data):
    """Rows, volumes, durations and labels of a labelled connection log are those that plain Python finds."""
    path = shared_data / "labelled/zeek-conn-008.log.labeled"
    flows, lines = read_whole(path), path.read_text().splitlines()
    fields = next(line for line in lines if line.startswith("#fields")).split("\t")[1:]
    rows = [dict(zip(fields, line.split("\t"), strict=True)) for line in lines if not line.startswith("#")]
    known = {name: [row[name] for row in rows if row[name] != "-"] for name in ("duration", "orig_bytes", "resp_bytes")}
    assert flows.height == len(rows) == 5_663
    assert flows["bytes"].sum() == sum(map(int, known["orig_bytes"] + known["resp_bytes"]))
    assert math.fsum(flows["duration"].drop_nulls()) == math.fsum(map(float, known["duration"]))
    labels = {"Malicious": True, "Benign": False, "Background": None}
    assert flows["label"].to_list() == [labels[row["label"]] for row in rows]
