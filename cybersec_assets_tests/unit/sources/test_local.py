"""Local files: which match a pattern, and what happens if one changes while it is read."""

import datetime as dt
import os

import pytest

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.sources.local import local_files
from cybersec_assets_tests.support.flows.logs import write


def names(pattern):
    """Return the names of the matching files."""
    return [file.name for file in local_files(str(pattern))]


def test_matches_are_sorted_without_hidden_files(tmp_path):
    for name in ("c", "a", "b", ".a"):
        write(tmp_path / name, "x")
    assert names(tmp_path / "*") == [f"{tmp_path}/{name}" for name in "abc"]


def test_a_star_matches_within_a_folder_and_two_at_any_depth(tmp_path):
    """`*` also matches links to folders; `**` skips hidden folders."""
    for name in ("a/1.log", "a/b/2.log", "c/3.log", ".d/4.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name, "x")
    (tmp_path / "link").symlink_to("a/b")
    assert names(tmp_path / "*/*.log") == [f"{tmp_path}/{name}" for name in ("a/1.log", "c/3.log", "link/2.log")]
    assert names(tmp_path / "**/[1-4].log") == [f"{tmp_path}/{name}" for name in ("a/1.log", "a/b/2.log", "c/3.log")]
    assert names(tmp_path / "a/**/2.log") == [f"{tmp_path}/a/b/2.log"]


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    folder = tmp_path / ("x" * 300)
    with pytest.raises(UnreadableLogError, match=rf"^{folder} cannot be read: File name too long\. Restore"):
        local_files(f"{folder}/*.log")


def test_a_file_and_a_link_to_it_are_one(tmp_path):
    for name in ("conn.1.log", "conn.2.log"):
        write(tmp_path / name, "x")
    (tmp_path / "conn.current.log").symlink_to("conn.2.log")
    assert names(tmp_path / "conn*.log") == [f"{tmp_path}/conn.1.log", f"{tmp_path}/conn.2.log"]


def test_a_file_is_found_with_its_size_and_time(tmp_path):
    path = write(tmp_path / "conn.log", "12345")
    os.utime(path, (1_713_484_800, 1_713_484_800))
    (file,) = local_files(str(path))
    assert (file.size, file.modified) == (5, dt.datetime(2024, 4, 19, tzinfo=dt.UTC))


def test_a_loop_of_links_ends(tmp_path):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a/conn.log", "x")
    for name in ("one", "two"):
        (tmp_path / "a" / name).symlink_to("..")
    assert names(tmp_path / "**/*.log") == [f"{tmp_path}/a/conn.log"]


@pytest.mark.parametrize("make", ["mkdir", "fifo"])
def test_a_directory_or_a_pipe_is_an_error(tmp_path, make):
    path = tmp_path / "conn.log"
    {"mkdir": path.mkdir, "fifo": lambda: os.mkfifo(path)}[make]()
    with pytest.raises(UnreadableLogError, match=rf"^{path} is not a regular file\. Narrow FLOWS_URI"):
        local_files(f"{tmp_path}/*.log")


@pytest.mark.parametrize(("target", "why"), [("gone", "No such file"), ("conn.log", "Too many levels of symbolic")])
def test_a_dangling_link_is_an_error(tmp_path, target, why):
    (tmp_path / "conn.log").symlink_to(target)
    with pytest.raises(UnreadableLogError, match=rf"^{tmp_path}/conn\.log cannot be read: {why}"):
        local_files(f"{tmp_path}/*.log")


def test_a_name_that_is_not_utf_8_is_escaped(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_text("x")
    (file,) = local_files(f"{tmp_path}/*.csv")
    with file.open() as stream:
        assert (file.name, stream.read()) == (f"{tmp_path}/caf\\xe9.csv", b"x")


CHANGES = {
    "grows": lambda path: path.write_text("123456"),
    "shrinks": lambda path: path.write_text(""),
    "is touched": os.utime,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path, change):
    path = write(tmp_path / "conn.log", "12345")
    os.utime(path, (1_713_484_800, 1_713_484_800))
    (file,) = local_files(str(path))
    with (
        pytest.raises(UnreadableLogError, match=rf"^{path} changed while it was read\. Wait until its writer has"),
        file.open() as stream,
    ):
        CHANGES[change](path) or stream.read()


def test_a_file_that_is_gone_before_it_is_opened_is_an_error(tmp_path):
    path = write(tmp_path / "conn.log", "12345")
    (file,) = local_files(str(path))
    path.unlink()
    with pytest.raises(UnreadableLogError, match=rf"^{path} cannot be read: No such file"), file.open():
        pass


def test_an_error_of_the_caller_is_not_reported_as_the_files(tmp_path):
    (file,) = local_files(str(write(tmp_path / "conn.log", "12345")))
    with pytest.raises(OSError, match="disk full"), file.open():
        raise OSError(28, "disk full")
