"""Staging: a log file is copied and decompressed in one pass and in bounded memory."""

import bz2
import gzip
import hashlib
import lzma
import os
import tempfile
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.staging import CUT_LINE_BYTES, HEAD_BYTES, MAX_LINE_BYTES, is_text, stage
from cybersec_assets.sources.local import local_files
from cybersec_assets_tests.support.flows.logs import examples, write

CHECKED = {zstd.CompressionParameter.checksum_flag: 1}
PACKERS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda text: lzma.compress(text, check=lzma.CHECK_CRC64, preset=0),
    "zstd": lambda text: zstd.compress(text, options=CHECKED),
}
"""Compress as the tools do: `zstd` also writes a checksum."""
ALL = {"plain": bytes} | PACKERS
LINES = b"".join(os.urandom(40).hex().encode() + b"\n" for _ in range(40_000))


def staged(path, folder):
    """Stage a single file."""
    (source,) = local_files(str(path))
    return stage(source, folder / "copy")


@pytest.mark.parametrize("kind", ALL)
def test_a_copy_has_the_decompressed_text(tmp_path, kind):
    path = write(tmp_path / "conn.txt", ALL[kind](LINES))
    log = staged(path, tmp_path)
    assert (log.path.read_bytes(), log.head) == (LINES, LINES[:HEAD_BYTES])
    assert (log.name, log.modified.timestamp()) == (str(path), pytest.approx(path.stat().st_mtime, abs=1e-6))
    assert log.fingerprint.size == path.stat().st_size
    assert log.fingerprint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", PACKERS)
def test_members_follow_each_other(tmp_path, kind):
    log = staged(write(tmp_path / "log", PACKERS[kind](b"a\n") + PACKERS[kind](b"b\n")), tmp_path)
    assert log.path.read_bytes() == b"a\nb\n"


def test_lines_end_only_at_line_ends(tmp_path):
    """Only LF and CRLF end a line, not the other characters at which Python splits lines."""
    log = staged(write(tmp_path / "log", b"a\x1eb\r\nc\x85\x0cd\ne"), tmp_path)
    assert log.first_lines == ["a\x1eb", "c\ufffd\x0cd", "e"]


def test_parquet_has_no_lines():
    assert [is_text(begin) for begin in (b"PAR1...", b"PAR", b"")] == [False, True, True]


def test_a_file_without_lines_is_never_truncated(tmp_path):
    content = b"PAR1" + b"x" * (3 * MAX_LINE_BYTES) + b"PAR1"
    log = staged(write(tmp_path / "log", content), tmp_path)
    assert log.path.read_bytes() == content


@pytest.mark.parametrize("kind", ALL)
def test_an_empty_file_is_rejected_by_name(tmp_path, kind):
    path = write(tmp_path / "conn.log", ALL[kind](b""))
    with pytest.raises(
        UnreadableLogError, match=rf"^{path} is empty\. Restore the file or remove it from FLOWS_URI\.$"
    ):
        staged(path, tmp_path)


def flip(data, place):
    """Invert the bits of a byte."""
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


DAMAGE = {
    "lacks its last byte": lambda data: data[:-1],
    "lacks its half": lambda data: data[: len(data) // 2],
    "is cut at its beginning": lambda data: data[:30],
    "is junk": lambda data: data[:4] + b"\xff" * 30,
    "has a wrong checksum": lambda data: flip(data, -6),
}


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_compressed_file_is_checked_to_its_end(tmp_path, kind, damage):
    path = write(tmp_path / "conn.log", DAMAGE[damage](PACKERS[kind](LINES)))
    with pytest.raises(UnreadableLogError, match=rf"^{path} is a damaged {kind} file: .+\. Fetch the file again"):
        staged(path, tmp_path)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("begin", [b"", b"a\n" * 700_000], ids=["first", "later"])
def test_a_line_that_is_too_long_is_cut(tmp_path, kind, begin):
    """A line over the limit is truncated and its number recorded; one exactly at the limit is kept whole."""
    whole = begin + b"x" * MAX_LINE_BYTES + b"\nb\n"
    path = write(tmp_path / "log", ALL[kind](whole))
    log = staged(path, tmp_path)
    assert (log.path.read_bytes(), log.cut, log.lines) == (whole, (), begin.count(b"\n") + 2)
    (tmp_path / "copy").unlink()
    write(path, ALL[kind](begin + b"x" * (MAX_LINE_BYTES + 1) + b"\nb\n"))
    log = staged(path, tmp_path)
    assert log.path.read_bytes() == begin + b"x" * CUT_LINE_BYTES + b"\nb\n"
    assert (log.cut, log.lines) == ((begin.count(b"\n") + 1,), begin.count(b"\n") + 2)


SIZES = [0, 1, CUT_LINE_BYTES - 1, CUT_LINE_BYTES + 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 2 * MAX_LINE_BYTES + 7]


@examples
@given(st.lists(st.sampled_from(SIZES), min_size=1, max_size=6), st.booleans())
def test_lines_of_any_length(sizes, is_ended):
    """However the chunks divide them, long lines are truncated and no other line changes."""
    lines = [bytes([97 + number]) * size for number, size in enumerate(sizes)]
    content = b"\n".join(lines) + b"\n" * is_ended
    if not content:
        return
    with tempfile.TemporaryDirectory() as folder:
        log = staged(write(Path(folder) / "log", content), Path(folder))
        copy = log.path.read_bytes()
    cut = [line[:CUT_LINE_BYTES] if len(line) > MAX_LINE_BYTES else line for line in lines]
    assert copy == b"\n".join(cut) + b"\n" * is_ended
    assert log.cut == tuple(number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE_BYTES)
    assert log.lines == content.count(b"\n") + (not content.endswith(b"\n"))


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_is_rejected(tmp_path, kind):
    path = write(tmp_path / "log", PACKERS[kind](b"0\n" * (1 << 20)) * 40)
    with pytest.raises(UnreadableLogError, match=rf"^{path} grows to over 250 times its size when it is decompressed"):
        staged(path, tmp_path)
    assert (tmp_path / "copy").stat().st_size < 66 << 20


def test_a_log_that_compresses_well_is_read(tmp_path):
    path = write(tmp_path / "log", gzip.compress((LINES[:81] * 9 + LINES[: 20 * 81]) * 30_000))
    assert staged(path, tmp_path).path.read_bytes().count(b"\n") == 29 * 30_000
