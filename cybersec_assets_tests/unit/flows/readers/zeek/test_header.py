"""Zeek's header lines: their meaning, changes inside a file, and invalid ones."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.readers.zeek.header import MAX_BLOCKS, MAX_SEPARATOR_BYTES
from cybersec_assets_tests.support.flows.logs import (
    ZEEK,
    examples,
    faults,
    find,
    only,
    read,
    write,
    zeek_header,
    zeek_log,
    zeek_row,
)

NEEDED = ["ts", "id.orig_h", "id.resp_h", "proto", "duration", "orig_bytes", "resp_bytes"]
SWAPPED = [*list(ZEEK)[:9], "resp_bytes", "orig_bytes", *list(ZEEK)[11:]]


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "conn.log"


@pytest.mark.parametrize("packed", [False, True])
def test_a_repeated_header_is_skipped(log, packed):
    """Logs with the same header may be concatenated, as plain text or as members of a gzip file."""
    write(log, zeek_log(zeek_row(uid="a")), packed=packed)
    log.write_bytes(
        log.read_bytes() + write(log.with_name("more"), zeek_log(zeek_row(uid="b")), packed=packed).read_bytes()
    )
    kept, rejected = read(log)
    assert (kept["uid"].to_list(), rejected.height) == (["a", "b"], 0)


@pytest.mark.parametrize("padding", [0, 30_000], ids=["near", "beyond a chunk"])
def test_records_are_read_by_the_header_above_them(log, padding):
    first = zeek_row(uid="a") * (1 + padding)
    second = zeek_row(uid="b", orig_bytes="5")
    last = zeek_log(zeek_row(uid="c"), zeek_row(duration="long"))
    kept, rejected = read(write(log, zeek_log(first) + zeek_log(second, second, fields=SWAPPED) + last))
    assert kept["uid"].unique(maintain_order=True).to_list() == ["a", "b", "c"]
    volumes = kept.unique("uid", maintain_order=True).select("orig_bytes", "resp_bytes").rows()
    assert volumes == [(10, 20), (20, 5), (10, 20)]
    assert faults(rejected) == [(6 + 1 + padding + 6 + 2 + 6 + 2, "duration", "long")]


def test_a_header_may_change_separator_and_marks(log):
    """What a header does not define stays as in the header above it."""
    other = (
        zeek_log(zeek_row(service="?", uid="-")).replace("\\x09", "\\x2c").replace("\t", ",").replace(",-\n", ",?\n")
    )
    bare = zeek_header().splitlines()[-1].replace("\t", ",") + "\n" + zeek_row(service="?", uid="c").replace("\t", ",")
    kept, rejected = read(write(log, zeek_log(zeek_row(service="-")) + other + bare))
    assert kept.select("uid", "service").rows() == [(ZEEK["uid"], None), ("-", None), ("c", None)]
    assert rejected.is_empty()


def test_the_last_of_consecutive_headers_counts(log):
    """An hour without connections leaves its header alone above the next one's."""
    kept, rejected = read(write(log, zeek_log() + zeek_log(zeek_row(), fields=SWAPPED) + zeek_log() + zeek_log()))
    assert (only(kept)["orig_bytes"], rejected.height) == (20, 0)


def test_a_closing_line_above_a_header_is_skipped(log):
    text = zeek_log(zeek_row()) + "#close\t2024-04-19-01-00-00\n" + zeek_log(zeek_row(), fields=SWAPPED)
    kept, rejected = read(write(log, text))
    assert (kept["orig_bytes"].to_list(), rejected.height) == ([10, 20], 0)


def test_a_later_header_without_a_needed_column_is_rejected(log):
    write(log, zeek_log(zeek_row()) + zeek_log(fields=[name for name in ZEEK if name != "proto"]))
    with pytest.raises(UnreadableLogError, match=rf"^{log} line 8 has no column proto\. Add it to the log, or"):
        find(log)


def test_records_above_the_header_are_rejected(log):
    write(log, zeek_row() + zeek_row() + zeek_log(zeek_row()))
    with pytest.raises(
        UnreadableLogError, match=rf"^{log} has records above its header, which is line 8\. Split the file there\.$"
    ):
        find(log)


def test_a_header_that_changes_all_the_time_is_rejected(log):
    write(log, (zeek_log(zeek_row()) + zeek_log(zeek_row(), fields=SWAPPED)) * (MAX_BLOCKS // 2 + 1))
    with pytest.raises(UnreadableLogError, match=rf"^{log} changes its header over 1,000 times\. Split the file\.$"):
        find(log)


@pytest.mark.parametrize("behind", [" ", "\t"])
@pytest.mark.parametrize("separator", ["\t", ",", "|", "\x01", "\x1f", " "])
def test_any_character_may_be_the_separator(log, separator, behind):
    text = zeek_log(zeek_row()).replace(" \\x09", f"{behind}\\x{ord(separator):02x}").replace("\t", separator)
    kept, rejected = read(write(log, text.replace("#separator" + separator, f"#separator{behind}")))
    assert (only(kept)["uid"], only(kept)["resp_packets"], rejected.height) == (ZEEK["uid"], 4, 0)


def test_a_byte_order_mark_is_ignored(log):
    kept, rejected = read(write(log, "\ufeff" + zeek_log(zeek_row()) + zeek_log(zeek_row(), fields=SWAPPED)))
    assert (kept["orig_bytes"].to_list(), rejected.height) == ([10, 20], 0)


def test_a_log_of_header_lines_alone_has_no_records(log):
    kept, rejected = read(write(log, zeek_header() + "#close\t2024-04-19-01-00-00\n"))
    assert (kept.height, rejected.height) == (0, 0)


@pytest.mark.parametrize("name", NEEDED)
def test_a_log_without_a_needed_column_is_rejected(log, name):
    write(log, zeek_log(fields=[field for field in ZEEK if field != name]))
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column {name}\. Add it to the log, or remove"):
        find(log)


@pytest.mark.parametrize("declared", ["", "\\x", "\\]", "\\u2028", "\\x0a", "|\\x0d", "|" * 17])
def test_an_invalid_separator_is_rejected(log, declared):
    write(log, zeek_log(zeek_row()).replace("\\x09", declared, 1))
    with pytest.raises(UnreadableLogError, match=rf"^{log}: its #separator is empty, too long, or not written as"):
        find(log)


@examples
@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs", "Nd", "L", "Z", "Cc"]), min_size=1, max_size=5
    ).filter(lambda text: not set(text) & set("\\\ufffd-.:#_") and len(text.encode()) <= MAX_SEPARATOR_BYTES),
    st.sets(st.sampled_from(range(3))),
)
def test_a_separator_may_have_several_bytes(separator, escaped):
    declared = "".join(
        "".join(rf"\x{byte:02x}" for byte in sign.encode()) if place in escaped or sign == "," else sign
        for place, sign in enumerate(separator)
    )
    damaged = zeek_row(duration="long")
    plain = zeek_log(zeek_row(), damaged) + zeek_log(zeek_row(), fields=SWAPPED)
    text = plain.replace("\t", separator).replace("#separator \\x09", f"#separator {declared}")
    with tempfile.TemporaryDirectory() as folder:
        expected = read(write(Path(folder) / "conn.log", plain))
        kept, rejected = read(write(Path(folder) / "conn.log", text))
    assert kept.rows() == expected[0].rows()
    assert rejected.drop("file").rows() == expected[1].drop("file").rows()


def test_concatenated_logs_may_have_different_separators(log):
    """Each of several concatenated logs is split at its own separator."""
    long = zeek_log(zeek_row(uid="b\tb")).replace("\t", "||").replace("b||b", "b\tb")
    text = zeek_log(zeek_row(uid="a||a")) + long.replace("\\x09", "\\x7c\\x7c") + zeek_log(zeek_row(uid="c||c"))
    kept, rejected = read(write(log, text))
    assert (kept["uid"].to_list(), rejected.height) == (["a||a", "b\tb", "c||c"], 0)


def test_a_log_without_a_fields_line_is_rejected(log):
    write(log, "#separator \\x09\n" + zeek_row())
    with pytest.raises(
        UnreadableLogError, match=rf"^{log} has no #fields line\. Keep Zeek's header lines in the log\.$"
    ):
        find(log)
