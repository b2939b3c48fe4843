"""The audit records the bytes of every source file, so that a model can be found by its file."""

import base64
import datetime as dt
import hashlib

import pytest

from cybersec_assets.definitions import audit_from
from cybersec_assets.defs.assets.gold import MODEL_KEY
from cybersec_assets.errors import NoRecordError
from cybersec_assets_tests.conftest import DAY

NAMES = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n"
HOURS = ("a", "b")
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def write_log(tmp_path):
    """Write a log with some flows, and return its path."""
    (tmp_path / "logs").mkdir()

    def write(name, flows=300):
        rows = [f"{DAY} 10:00:00.{n:03},10.0.0.1,10.0.0.2,{n},1,tcp\n" for n in range(flows)]
        file = tmp_path / "logs" / name
        file.write_text(NAMES + "".join(rows))
        return file

    return write


def sha256_of(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def mtime_of(file):
    """Return when a file was last modified."""
    return dt.datetime.fromtimestamp(file.stat().st_mtime, dt.UTC).isoformat()


def test_each_source_file_is_recorded_with_its_hash(make_settings, materialize, write_log):
    """Raw's row has the path, size and SHA-256 of each file on disk."""
    files = [write_log(f"{hour}.csv", 300 + number) for number, hour in enumerate(HOURS)]
    _, (row,) = materialize(make_settings(flows_uri=f"{files[0].parent}/*.csv"), ["raw/network_events"])
    assert row["inputs"] == [
        {"file": str(file), "size": file.stat().st_size, "mtime": mtime_of(file), "sha256": sha256_of(file)}
        for file in files
    ]


def test_a_day_whose_files_grew_is_recorded_again(make_settings, materialize, write_log):
    """After a file grew and another was added, a new row has the new files and the old row is unchanged."""
    settings = make_settings(flows_uri=f"{write_log('a.csv').parent}/*.csv")
    materialize(settings, ["raw/network_events"])
    files = write_log("a.csv", 310), write_log("b.csv", 320)
    _, (row,) = materialize(settings, ["raw/network_events"])
    assert (row["records"], [entry["sha256"] for entry in row["inputs"]]) == (630, [sha256_of(file) for file in files])
    with audit_from(settings).session() as audit:
        noted = [[entry["size"] for entry in row["inputs"]] for row in audit.ask().records(DAY)]
    assert [len(sizes) for sizes in noted] == [1, 2]


def test_how_a_file_was_read_is_recorded(make_settings, materialize, write_log, monkeypatch):
    """The mapping of columns and the use of pseudonyms are recorded, but not the key."""
    file = write_log("a.csv")
    monkeypatch.setenv("FLOWS_PSEUDONYM_KEY", KEY)
    settings = make_settings(flows_uri=str(file), flows_columns="bytes=bytes")
    result, (row,) = materialize(settings, ["raw/network_events"])
    assert row["estado"] == "SUCCESS"
    assert [(entry["columns"], entry["pseudonyms"]) for entry in row["inputs"]] == [("bytes=bytes", True)]
    assert KEY not in f"{row} {result.all_events}"


def test_a_failed_day_records_its_source_files(make_settings, materialize, write_log):
    file = write_log("a.csv", flows=0)
    _, (row,) = materialize(make_settings(flows_uri=str(file)), ["raw/network_events"])
    assert (row["estado"], [entry["sha256"] for entry in row["inputs"]]) == ("FAILED", [sha256_of(file)])


def test_synthetic_flows_have_no_hash(settings, materialize):
    _, (row,) = materialize(settings, ["raw/network_events"])
    assert row["inputs"] == [{"file": "synthetic"}]


def test_an_unusual_file_name_is_recorded_unchanged(make_settings, materialize, write_log):
    file = write_log("café\n'%\".csv")
    _, (row,) = materialize(make_settings(flows_uri=str(file)), ["raw/network_events"])
    assert [entry["file"] for entry in row["inputs"]] == [str(file)]


def test_a_model_is_found_by_its_source_file(make_settings, materialize, write_log):
    """Path, name and hash of a file lead to the model that it trained. The hash of a changed file does not."""
    file = write_log("flows.csv")
    settings = make_settings(flows_uri=str(file))
    _, rows = materialize(settings)
    model = next(row["uri"] for row in rows if row["asset"] == MODEL_KEY.to_user_string())
    with audit_from(settings).session() as audit:
        for asked in (str(file), file.name, sha256_of(file)):
            assert [row["model"] for row in audit.ask().models_from(asked)] == [model]
        file.write_bytes(file.read_bytes() + b"\n")
        with pytest.raises(NoRecordError, match="has no model that was trained on"):
            audit.ask().models_from(sha256_of(file))
