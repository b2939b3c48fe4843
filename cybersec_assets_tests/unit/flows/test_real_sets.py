"""Labelled research data sets, compared with what plain Python and NumPy read."""

import csv
from collections import Counter

import numpy as np
import polars as pl
import pytest

from cybersec_assets_tests.support.flows.logs import read

MADE_UP = "timestamp='2024-04-19',src_ip='0.0.0.0',dst_ip='0.0.0.0'"
NSL_KDD = (
    f"{MADE_UP},protocol=#2,service=#3,conn_state=#4,duration=#1,bytes=#5+#6,orig_bytes=#5,resp_bytes=#6,label=#42"
)
ADBENCH = f"{MADE_UP},protocol='tcp',duration=seconds,bytes=src bytes+dst bytes,orig_bytes=src bytes,label=y"
NSL_KDD_FILE = "labelled/nsl-kdd-train-20percent.txt"
ADBENCH_ROWS = {"labelled/adbench-http.npz": (567_498, 2_211), "labelled/adbench-smtp.npz": (95_156, 30)}


def read_whole(path, columns=None):
    """Read a file in which every record parses."""
    flows, rejected = read(path, columns=columns)
    assert rejected.is_empty()
    return flows


def test_nsl_kdd_is_read_as_it_is(shared_data):
    path = shared_data / NSL_KDD_FILE
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
    """Return one of ADBench's sets: seconds and bytes without their logarithms, the labels, and the number of each."""
    arrays = np.load(shared_data / request.param)
    # The logarithm was taken of the value and a tenth.
    return (np.exp(arrays["X"]) - 0.1).round(), arrays["y"], ADBENCH_ROWS[request.param]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_adbench_is_read_by_its_own_names(adbench, tmp_path, kind):
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


def test_the_labels_of_a_zeek_log_are_what_plain_python_counts(shared_data):
    path = shared_data / "labelled/zeek-conn-008.log.labeled"
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    place = next(fields for fields in lines if fields[0] == "#fields").index("label") - 1
    labels = [fields[place] for fields in lines if not fields[0].startswith("#")]
    assert Counter(labels) == {"Malicious": 4_201, "Benign": 1_402, "Background": 60}
    meant = {"Malicious": True, "Benign": False, "Background": None}
    assert read_whole(path)["label"].to_list() == [meant[label] for label in labels]
