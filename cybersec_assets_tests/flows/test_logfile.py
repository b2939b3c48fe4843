"""One log file as it lies on the disk."""

import gzip
import os

import pytest

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.logfile import HEAD_BYTES, LogFile, check_gzip, is_gzip, open_log
from cybersec_assets_tests.flows.logs import write

LARGE = os.urandom(3 << 20)


@pytest.mark.parametrize("packed", [False, True])
def test_the_head_is_the_beginning_of_the_text(tmp_path, packed):
    """The head is the first 64 KiB, decompressed where the file is gzip whatever its name."""
    log = open_log(write(tmp_path / "conn.log", LARGE, packed=packed))
    assert log.head == LARGE[:HEAD_BYTES]
    assert is_gzip(log.path) is packed


def test_lines_end_only_at_line_ends(tmp_path):
    """Lines end at LF or CRLF, and characters that only Python takes for line ends do not cut them."""
    log = LogFile(tmp_path, b"a\x1eb\r\nc\x85\x0cd\ne")
    assert log.first_lines == ["a\x1eb", "c\ufffd\x0cd", "e"]
    assert LogFile(tmp_path, b"a\n").first_lines == ["a"]


def test_a_name_does_not_make_gzip(tmp_path):
    """A plain file that is called .gz is read as what it is."""
    assert open_log(write(tmp_path / "conn.log.gz", b"#fields\n")).head == b"#fields\n"


@pytest.mark.parametrize("packed", [False, True])
def test_an_empty_file_is_refused_by_name(tmp_path, packed):
    """A file without content, also one that is empty inside of gzip, is named with a remedy."""
    path = write(tmp_path / "conn.log", b"", packed=packed)
    with pytest.raises(
        UnreadableLogError, match=rf"^{path} is empty\. Restore the file or take it out of FLOWS_URI\.$"
    ):
        open_log(path)


@pytest.mark.parametrize("make", ["mkdir", "fifo", "link"])
def test_what_is_no_regular_file_is_refused_by_name(tmp_path, make):
    """A directory, a pipe or a dangling link is named with a remedy, and never waited for."""
    path = tmp_path / "conn.log"
    {"mkdir": path.mkdir, "fifo": lambda: os.mkfifo(path), "link": lambda: path.symlink_to("gone")}[make]()
    with pytest.raises(UnreadableLogError, match=rf"^{path} is not a regular file\. Narrow FLOWS_URI"):
        open_log(path)


@pytest.mark.parametrize("damage", [lambda data: data[:30], lambda data: data[:2] + b"\xff" * 30], ids=["cut", "junk"])
def test_a_gzip_file_damaged_at_its_beginning_is_refused_by_name(tmp_path, damage):
    """A gzip file whose head cannot be decompressed is named with a remedy."""
    path = write(tmp_path / "conn.log.gz", damage(gzip.compress(LARGE)))
    with pytest.raises(UnreadableLogError, match=rf"^{path} cannot be read: .+\. Restore the file or take it out\.$"):
        open_log(path)


def flip(data, place):
    """Turn a byte's bits over."""
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda data: flip(data, -6)],
    ids=["last byte", "half", "checksum"],
)
def test_a_gzip_file_is_checked_to_its_end(tmp_path, damage):
    """A gzip file that lacks its end or whose checksum is wrong is named with a remedy."""
    path = write(tmp_path / "conn.log.gz", damage(gzip.compress(LARGE)))
    with pytest.raises(UnreadableLogError, match=rf"^{path} is a damaged gzip file: .+\. Fetch the file again"):
        check_gzip(path)


def test_a_good_gzip_file_passes(tmp_path):
    """A whole gzip file, also one of several members, gives no error."""
    assert check_gzip(write(tmp_path / "conn.log.gz", gzip.compress(LARGE) * 2)) is None
