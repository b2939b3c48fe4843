"""Compressed files: every layout that the tools write is read completely, and other files are rejected by name."""

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.compression import CHUNK_BYTES, COMPRESSIONS, plain_chunks
from cybersec_assets_tests.support.flows.logs import examples

TEXT = b"".join(b"%d\t10.0.0.1\t10.0.0.2\n" % number for number in range(50))
PACKERS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda text: lzma.compress(text, preset=0),
    "zstd": zstd.compress,
}
kinds = st.sampled_from(list(PACKERS))
texts = st.lists(st.sampled_from([b"", b"a\n", TEXT, b"x" * 70_000 + b"\n"]), min_size=1, max_size=6)


def read(packed, notes=None):
    """Return the decompressed bytes of a file."""
    return b"".join(plain_chunks("conn.log", io.BytesIO(packed), [] if notes is None else notes))


def refusal(packed):
    """Return the message with which a file is rejected."""
    with pytest.raises(UnreadableLogError) as refused:
        read(packed)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def skippable(number, content):
    """Write a frame that every zstd program skips, with one of the 16 magic numbers."""
    return (0x184D2A50 + number).to_bytes(4, "little") + len(content).to_bytes(4, "little") + content


frames = st.one_of(
    st.tuples(st.sampled_from([b"", b"a\n", TEXT])).map(lambda text: (zstd.compress(*text), *text)),
    st.tuples(st.integers(0, 15), st.integers(0, 200_000)).map(lambda it: (skippable(it[0], bytes(it[1])), b"")),
)


@examples
@given(st.lists(frames, min_size=1, max_size=6))
def test_skippable_frames_are_skipped_wherever_they_are(parts):
    notes = []
    assert read(b"".join(packed for packed, _ in parts), notes) == b"".join(text for _, text in parts)
    assert notes == []


@pytest.mark.parametrize("number", range(16))
def test_a_skippable_frame_may_come_first(number):
    assert read(skippable(number, b"") + skippable(number, b"PAR1") + zstd.compress(TEXT)) == TEXT


@examples
@given(st.integers(0, 15), st.integers(0, 100_000), st.data())
def test_a_skippable_frame_that_is_cut_off_is_damage(number, size, data):
    frame = skippable(number, bytes(size))
    end = data.draw(st.integers(4, max(4, len(frame) - 1)))
    if end < len(frame):
        assert refusal(frame[:end]).startswith("conn.log is a damaged zstd file: it is truncated. Fetch")


@examples
@given(kinds, texts)
def test_members_are_read_one_after_the_other(kind, parts):
    notes = []
    assert read(b"".join(PACKERS[kind](part) for part in parts), notes) == b"".join(parts)
    assert notes == []


@examples
@given(kinds, st.data())
def test_a_file_that_is_cut_off_is_damage(kind, data):
    packed = PACKERS[kind](TEXT) + PACKERS[kind](TEXT)
    whole = len(packed) // 2
    end = data.draw(st.integers(5, len(packed) - 1).filter(lambda end: not whole <= end < whole + 5))
    assert f"conn.log is a damaged {kind} file: " in refusal(packed[:end])


@examples
@given(st.sampled_from(["gzip", "bzip2"]), texts, st.binary(min_size=1, max_size=100_000))
def test_what_follows_gzip_and_bzip2_is_ignored_with_a_note(kind, parts, tail):
    """Gzip and bzip2 ignore padding and other bytes after the last member, too."""
    tail = b"\x07" + tail
    notes = []
    assert read(b"".join(PACKERS[kind](part) for part in parts) + tail, notes) == b"".join(parts)
    assert notes == [f"conn.log: {len(tail):,} bytes after the end of its {kind} data are ignored"]


@examples
@given(st.sampled_from(["gzip", "bzip2"]), st.integers(1, 200_000))
def test_zeros_after_gzip_and_bzip2_are_ignored_with_a_note(kind, zeros):
    notes = []
    assert read(PACKERS[kind](TEXT) + bytes(zeros), notes) == TEXT
    assert notes == [f"conn.log: {zeros:,} zero bytes after the end of its {kind} data are ignored"]


@examples
@given(st.sampled_from(["gzip", "bzip2"]), st.integers(1, 200_000))
def test_members_are_read_after_zeros(kind, zeros):
    """A member that was appended to a padded file is read, although the compression tools ignore it."""
    notes = []
    assert read(PACKERS[kind](TEXT) + bytes(zeros) + PACKERS[kind](b"b\n"), notes) == TEXT + b"b\n"
    assert notes == []


@examples
@given(st.integers(0, 50_000))
def test_zeros_between_xz_streams_are_padding_in_fours(zeros):
    """Zeros between and after xz streams are padding in multiples of four; any other number is damage."""
    packed = PACKERS["xz"](TEXT) + bytes(zeros)
    if zeros % 4 == 0:
        notes = []
        assert read(packed, notes) == TEXT
        assert read(packed + PACKERS["xz"](b"b\n"), notes) == TEXT + b"b\n"
        assert notes == []
    else:
        assert f"is a damaged xz file: {zeros:,} zero bytes follow its data. " in refusal(packed)


@examples
@given(st.sampled_from(["xz", "zstd"]), st.binary(max_size=100_000))
def test_what_follows_xz_and_zstd_is_damage(kind, tail):
    """Other bytes may be a stream whose beginning was lost."""
    assert f"is a damaged {kind} file: other bytes follow its data. " in refusal(PACKERS[kind](TEXT) + b"\x07" + tail)


def test_zeros_after_zstd_are_damage():
    assert "is a damaged zstd file: 3 zero bytes follow its data. " in refusal(zstd.compress(TEXT) + bytes(3))


def archive_of(form):
    """Write a tar archive in one of its formats."""
    with io.BytesIO() as to:
        with tarfile.open(fileobj=to, mode="w", format=form) as archive:
            entry = tarfile.TarInfo("conn.log")
            entry.size = len(TEXT)
            archive.addfile(entry, io.BytesIO(TEXT))
        return to.getvalue()


def old_tar():
    """Write a tar archive of Unix V7, which has no magic."""
    header = bytearray(archive_of(tarfile.USTAR_FORMAT))
    header[257:512] = bytes(255)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header)


def zipped(*names):
    """Write a zip archive of some files."""
    with io.BytesIO() as to:
        with zipfile.ZipFile(to, "w") as archive:
            for name in names:
                archive.writestr(name, TEXT)
        return to.getvalue()


REFUSED = {
    "zip": ("a zip archive", zipped("conn.log")),
    "empty zip": ("a zip archive", zipped()),
    "spanned zip": ("a zip archive", b"PK\x07\x08" + zipped("conn.log")),
    "tar": ("a tar archive", archive_of(tarfile.USTAR_FORMAT)),
    "GNU tar": ("a tar archive", archive_of(tarfile.GNU_FORMAT)),
    "pax": ("a tar archive", archive_of(tarfile.PAX_FORMAT)),
    "old tar": ("a tar archive", old_tar()),
    "7z": ("a 7z archive", b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(40)),
    "rar 4": ("a rar archive", b"Rar!\x1a\x07\x00" + bytes(40)),
    "rar 5": ("a rar archive", b"Rar!\x1a\x07\x01\x00" + bytes(40)),
    "lz4": ("lz4 data", b"\x04\x22\x4d\x18" + bytes(40)),
    "old lz4": ("lz4 data", b"\x02\x21\x4c\x18" + bytes(40)),
    "lz4 after a skippable frame": ("lz4 data", skippable(3, b"x") + b"\x04\x22\x4d\x18" + bytes(40)),
    "compress": ("compress (.Z) data", b"\x1f\x9d\x90" + bytes(40)),
    "lzma": ("lzma data", lzma.compress(TEXT, format=lzma.FORMAT_ALONE)),
    "lzip": ("lzip data", b"LZIP\x01" + bytes(40)),
    "lzop": ("lzop data", b"\x89LZO\x00\r\n\x1a\n" + bytes(40)),
    "snappy": ("snappy data", b"\xff\x06\x00\x00sNaPpY" + bytes(40)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_archives_and_other_compressions_are_rejected_by_name(case):
    what, packed = REFUSED[case]
    assert refusal(packed) == (
        f"conn.log is {what}, which is not supported. "
        "Extract the logs and name them in FLOWS_URI; they may be plain, gzip, zstd, bzip2 or xz."
    )


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("kind", PACKERS)
def test_archives_inside_a_compression_are_rejected(kind, case):
    what, packed = REFUSED[case]
    what = "zstd data" if packed.startswith(b"\x53") else what
    assert refusal(PACKERS[kind](packed)).startswith(f"conn.log is {what} inside {kind}, which is not supported. ")


@pytest.mark.parametrize("inner", PACKERS)
@pytest.mark.parametrize("outer", PACKERS)
def test_a_file_that_is_compressed_twice_is_rejected(outer, inner):
    packed = PACKERS[outer](PACKERS[inner](TEXT))
    assert refusal(packed).startswith(f"conn.log is {inner} data inside {outer}, which is not supported. ")


@examples
@given(st.text(max_size=2_000).map(str.encode))
def test_text_is_not_changed(text):
    if not text.startswith((b"BZh", b"PK", b"Rar!", b"7z", b"LZIP", b"]\0\0")):
        assert read(text) == text


@pytest.mark.parametrize("kind", PACKERS)
def test_chunks_are_bounded(kind):
    """Chunks are at most 1 MiB, and memory stays bounded whatever the size of the content."""
    packed = PACKERS[kind](b"0\n" * (1 << 20)) * 10
    tracemalloc.start()
    try:
        sizes = [len(chunk) for chunk in plain_chunks("conn.log", io.BytesIO(packed), [])]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 20 << 20
    assert max(sizes) <= CHUNK_BYTES
    assert peak < 8 << 20


def test_a_dictionary_or_window_that_needs_too_much_memory_is_rejected():
    """A dictionary or window over 128 MiB is rejected, but not as damage; one of 64 or 128 MiB is read."""
    xz = [lzma.compress(TEXT, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": size << 20}]) for size in (64, 256)]
    zst = [windowed(log) for log in (27, 28)]
    assert [read(xz[0]), read(zst[0])] == [TEXT, TEXT]
    needs = "conn.log needs over 128 MiB of memory to be decompressed. Decompress it, or compress it with a smaller "
    assert [refusal(xz[1]), refusal(zst[1])] == [f"{needs}dictionary.", f"{needs}window."]


def windowed(log):
    """Write a zstd frame by hand: no checksum, a window of a size, and one raw block."""
    block = (len(TEXT) << 3 | 1).to_bytes(3, "little") + TEXT
    return b"\x28\xb5\x2f\xfd" + b"\0" + bytes([(log - 10) << 3]) + block


def test_every_compression_has_its_tests():
    assert {each.name for each in COMPRESSIONS} == set(PACKERS)
