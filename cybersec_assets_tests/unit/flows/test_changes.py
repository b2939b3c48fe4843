"""Whether a day's files are those that fed it."""

import hashlib
import os

import pytest

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.changes import changes
from cybersec_assets.sources.local import local_files
from cybersec_assets_tests.support.flows.logs import write


@pytest.fixture
def folder(tmp_path):
    """Two files that fed a day."""
    for name in "ab":
        write(tmp_path / name, f"flows of {name}")
    return tmp_path


@pytest.fixture
def recorded(folder):
    """What the audit holds of them."""
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
    """Say what has changed in the folder."""
    return list(changes(recorded, local_files(f"{folder}/*")))


def test_files_that_are_as_they_were_are_no_change(folder, recorded):
    """Nothing is said of files that nobody touched, nor of those that are only dated anew, nor of old records."""
    assert found(recorded, folder) == []
    os.utime(folder / "a", (0, 0))
    assert found(recorded, folder) == []
    assert found([{name: entry[name] for name in ("file", "size", "sha256")} for entry in recorded], folder) == []


def test_a_file_that_grew_or_came_is_a_change(folder, recorded):
    """Growth and a new file are told with the file's name."""
    write(folder / "b", "flows of b, and more")
    write(folder / "c", "flows of c")
    assert found(recorded, folder) == [f"{folder}/b has changed: 10 bytes then, 20 now", f"{folder}/c is new"]


def test_a_file_that_is_another_of_the_same_size_is_a_change(folder, recorded):
    """A change that leaves the size as it was shows by the bytes."""
    write(folder / "a", "FLOWS OF A")
    os.utime(folder / "a", (0, 0))
    assert found(recorded, folder) == [f"{folder}/a has changed: 10 bytes then, 10 now"]


def test_a_file_that_is_gone_is_no_change(folder, recorded):
    """Logs are archived: what is no longer there says nothing."""
    (folder / "a").unlink()
    assert found(recorded, folder) == []


def test_files_in_another_place_are_no_change(folder, recorded):
    """Where none of the day's files is left, what is there now is another source."""
    for name in "ab":
        (folder / name).rename(folder / f"{name}.moved")
    assert found(recorded, folder) == []


def test_a_file_that_looks_changed_and_is_shut_is_told(folder, recorded):
    """A file whose bytes cannot be compared is an error that names it."""
    now = local_files(f"{folder}/*")
    write(folder / "a", "more")
    later = local_files(f"{folder}/*")
    (folder / "a").unlink()
    assert [file.size for file in now] == [10, 10]
    with pytest.raises(UnreadableLogError, match=rf"^{folder}/a cannot be read"):
        list(changes(recorded, later))


def test_a_disk_that_fails_while_a_file_is_looked_at_is_told():
    """A file that can be opened and not be read, as on a broken disk, is named: the check warns then, and runs on."""
    (broken,) = local_files("/proc/self/mem")
    with pytest.raises(UnreadableLogError, match="/proc/self/mem cannot be read"):
        list(changes([{"file": broken.name, "size": 1, "sha256": ""}], [broken]))
