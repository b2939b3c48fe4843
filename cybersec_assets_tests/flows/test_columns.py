"""FLOWS_COLUMNS: which columns of a source make each raw column."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import SettingsError
from cybersec_assets.flows.parsing.columns import Constant, Named, Numbered, is_headless, parse_columns
from cybersec_assets.flows.schema import RAW, VOLUMES
from cybersec_assets_tests.flows.logs import csv_log, csv_row, examples, find, write, zeek_log, zeek_row

SPECIAL = set(",+=\"'")


def written(term, *, always_quote):
    """Write a term as the grammar says."""
    if isinstance(term, Constant):
        return "'" + term.text.replace("'", "''") + "'"
    if isinstance(term, Numbered):
        return f"#{term.number}"
    plain = not SPECIAL & set(term.name) and term.name == term.name.strip() and not term.name.startswith("#")
    return term.name if plain and not always_quote else '"' + term.name.replace('"', '""') + '"'


blanks = st.sampled_from(["", " ", "\n\t"])
constants = st.text(max_size=6).map(Constant)
names = st.one_of(st.text(min_size=1, max_size=6), st.text("#,+=\"' a", min_size=1, max_size=6)).map(Named)
numbers = st.integers(1, 999_999).map(Numbered)


@st.composite
def mappings(draw):
    """Give a mapping, and a text that says it."""
    terms, always_quote = draw(st.sampled_from([names, numbers])) | constants, draw(st.booleans())
    mapping, entries = {}, []
    for raw in draw(st.lists(st.sampled_from(list(RAW)), min_size=1, max_size=5, unique=True)):
        most = 3 if raw in VOLUMES else 1
        mapping[raw] = tuple(draw(st.lists(terms, min_size=1, max_size=most, unique=True)))
        spaced = [draw(blanks) + written(term, always_quote=always_quote) + draw(blanks) for term in mapping[raw]]
        entries.append(draw(blanks) + raw + draw(blanks) + "=" + "+".join(spaced))
    return mapping, ",".join(entries)


@examples
@given(mappings())
def test_what_the_grammar_writes_is_read_back(case):
    """Names with any characters, numbers, constants and sums come back as they were, whatever blanks stand between."""
    mapping, text = case
    assert parse_columns(text) == mapping


@examples
@given(st.one_of(st.text(), st.text("bytes=duration,+\"'#1 a")))
def test_any_text_is_understood_or_refused(text):
    """No text ends in anything but a mapping or the one error, which names the variable."""
    try:
        assert parse_columns(text)
    except SettingsError as error:
        assert str(error).startswith("FLOWS_COLUMNS: ")  # noqa: PT017 - that there is an error is not what is shown


def test_the_examples_of_the_documentation():
    """What the README shows means what it says."""
    assert parse_columns("bytes=sbytes+dbytes,duration=dur") == {
        "bytes": (Named("sbytes"), Named("dbytes")),
        "duration": (Named("dur"),),
    }
    assert parse_columns("""timestamp='2026-11-22',label=#42,bytes=#5+#6""") == {
        "timestamp": (Constant("2026-11-22"),),
        "label": (Numbered(42),),
        "bytes": (Numbered(5), Numbered(6)),
    }
    assert parse_columns('duration="#dur",bytes="a+b"+Total Bytes')["bytes"] == (Named("a+b"), Named("Total Bytes"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not raw=term or raw=term+term. Quote names"),
        ("bytes", "'bytes' is not raw=term"),
        ("bytes=", "'bytes=' is not raw=term"),
        ("bytes=a+", "'bytes=a+' is not raw=term"),
        ("bytes=+a", "'bytes=+a' is not raw=term"),
        ("bytes=a++b", "'bytes=a++b' is not raw=term"),
        ("bytes=a,,duration=b", "'' is not raw=term"),
        ("bytes=a,", "'' is not raw=term"),
        ("=a", "'=a' is not raw=term"),
        ('bytes="a', "'bytes=\"a' is not raw=term"),
        ('bytes=""', "'bytes=\"\"' is not raw=term"),
        ('bytes="a"b', "'bytes=\"a\"b' is not raw=term"),
        ("bytes='1", '"bytes=\'1" is not raw=term'),
        ("bytes=it's", '"bytes=it\'s" is not raw=term'),
        ("bytes=a=b", "'bytes=a=b' is not raw=term"),
        ("octets=a", "'octets' is no column of the raw layer. Use timestamp, src_ip, dst_ip, bytes"),
        ("bytes=a,bytes=b", "'bytes' is there twice. Say once"),
        ("bytes=a+a", "bytes=a+a has a term twice. Name each column once"),
        ("src_ip=a+b", "src_ip=a+b is a sum of what is no number. Add up only bytes, duration, orig_bytes"),
        ("src_port=a+b", "src_port=a+b is a sum of what is no number"),
        ("bytes=#0", "'#0' is no column's number. Use #1, #2, …, or quote a name that begins so"),
        ("bytes=#dur", "'#dur' is no column's number"),
        ("bytes=#1+b", "'b' is a name beside numbers. Use numbers alone"),
        ("bytes=#1,duration=dur", "'dur' is a name beside numbers"),
    ],
)
def test_what_breaks_the_grammar_is_refused(text, said):
    """The message names the variable, the part that is wrong, and what to do."""
    with pytest.raises(SettingsError, match=f"^FLOWS_COLUMNS: {re.escape(said)}"):
        parse_columns(text)


@pytest.mark.parametrize(
    ("text", "headless"), [("bytes=a", False), ("bytes='1'", False), ("bytes=#1", True), ("bytes='1'+#2", True)]
)
def test_numbers_say_that_no_line_is_a_header(text, headless):
    """One number suffices."""
    assert is_headless(parse_columns(text)) is headless


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("timestamp", "today"),
        ("timestamp", ""),
        ("timestamp", "2026-13-01"),
        ("src_ip", "a b"),
        ("protocol", ""),
        ("bytes", "1.5"),
        ("bytes", "many"),
        ("duration", "nan"),
        ("src_port", "x"),
    ],
)
def test_a_constant_that_no_record_can_have_is_refused(tmp_path, raw, text):
    """A constant that does not parse is a fault of the setting, and not of each line."""
    log = write(tmp_path / "log", csv_log(csv_row()))
    with pytest.raises(SettingsError, match=rf"^FLOWS_COLUMNS: {raw}='{text}' is no value of that column\. Correct it"):
        find(log, columns=f"{raw}='{text}'")


@pytest.mark.parametrize("fmt", ["zeek", "suricata", "synthetic"])
def test_a_format_that_takes_no_columns_is_refused(tmp_path, fmt):
    """A mapping that would be passed over is refused together with the format."""
    log = write(tmp_path / "log", zeek_log(zeek_row()))
    with pytest.raises(
        SettingsError, match=f"^FLOWS_COLUMNS with FLOWS_FORMAT={fmt}.*or use one of auto, csv, parquet"
    ):
        find(log, fmt, columns="bytes=a")


def test_columns_without_a_place_are_refused():
    """A FLOWS_COLUMNS without FLOWS_URI is a forgotten variable, and no reason to train on made-up flows."""
    with pytest.raises(SettingsError, match=r"^FLOWS_COLUMNS without FLOWS_URI\. Say in FLOWS_URI where the logs are"):
        find(None, columns="bytes=a")
