"""Detecting files that changed after their day was made."""

import hashlib
import os

import pytest

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.changes import changes
from cybersec_assets.sources.local import local_files
from cybersec_assets_tests.support.flows.logs import write


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the two files of a day."""
    for name in "ab":
        write(tmp_path / name, f"flows of {name}")
    return tmp_path


@pytest.fixture
def recorded(folder):
    """Return what the audit recorded about them."""
    return [
        {
            "file": file.name,
            "size": file.size,
            "mtime": file.modified.isoformat(),
            "sha256": hashlib.sha256((folder / file.name[-1]).read_bytes()).hexdigest(),
        }
        for file in local_files(f"{folder}/*")
    ]


def found(recorded, folder):
    """Return the changes in the folder."""
    return list(changes(recorded, local_files(f"{folder}/*")))


def test_unchanged_files_are_not_reported(folder, recorded):
    """This includes files with only a new date, and old records without `mtime`."""
    assert found(recorded, folder) == []
    os.utime(folder / "a", (0, 0))
    assert found(recorded, folder) == []
    assert found([{name: entry[name] for name in ("file", "size", "sha256")} for entry in recorded], folder) == []


def test_a_larger_file_and_a_new_file_are_reported(folder, recorded):
    write(folder / "b", "flows of b, and more")
    write(folder / "c", "flows of c")
    assert found(recorded, folder) == [f"{folder}/b has changed: 10 bytes then, 20 now", f"{folder}/c is new"]


def test_other_content_of_the_same_size_is_reported(folder, recorded):
    write(folder / "a", "FLOWS OF A")
    os.utime(folder / "a", (0, 0))
    assert found(recorded, folder) == [f"{folder}/a has changed: 10 bytes then, 10 now"]


def test_a_missing_file_is_not_reported_as_logs_are_archived(folder, recorded):
    (folder / "a").unlink()
    assert found(recorded, folder) == []


def test_files_that_moved_are_not_reported(folder, recorded):
    for name in "ab":
        (folder / name).rename(folder / f"{name}.moved")
    assert found(recorded, folder) == []


def test_a_file_that_cannot_be_opened_for_comparison_is_an_error(folder, recorded):
    now = local_files(f"{folder}/*")
    write(folder / "a", "more")
    later = local_files(f"{folder}/*")
    (folder / "a").unlink()
    assert [file.size for file in now] == [10, 10]
    with pytest.raises(UnreadableLogError, match=rf"^{folder}/a cannot be read"):
        list(changes(recorded, later))


def test_a_file_that_cannot_be_read_for_comparison_is_an_error():
    (broken,) = local_files("/proc/self/mem")
    with pytest.raises(UnreadableLogError, match="/proc/self/mem cannot be read"):
        list(changes([{"file": broken.name, "size": 1, "sha256": ""}], [broken]))
