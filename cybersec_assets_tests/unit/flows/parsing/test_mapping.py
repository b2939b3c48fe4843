"""Parsing FLOWS_COLUMNS."""

import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import SettingsError
from cybersec_assets.flows.parsing.mapping import Column, Layout, Position, Span, Sum, Value, parse_columns
from cybersec_assets.flows.parsing.presets import presets
from cybersec_assets.flows.schema import RAW_SCHEMA, VOLUMES
from cybersec_assets_tests.support.flows.logs import csv_log, csv_row, examples, find, write, zeek_log, zeek_row

SPECIAL = set(",+=\"'")


def parse(text):
    """Return the mapping that a text without a preset describes."""
    columns, _ = parse_columns(text, presets())
    (layout,) = columns.layouts
    assert columns.preset is None
    return layout.needed


def written(term, *, always_quote):
    """Return a term in the grammar of the text form."""
    if isinstance(term, Value):
        return "'" + term.value.replace("'", "''") + "'"
    if isinstance(term, Position):
        return term.name
    plain = not SPECIAL & set(term.name) and term.name == term.name.strip() and not term.name.startswith("#")
    return term.name if plain and not always_quote else '"' + term.name.replace('"', '""') + '"'


blanks = st.sampled_from(["", " ", "\n\t"])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
values = texts.map(lambda text: Value(value=text))
names = st.one_of(texts.filter(bool), st.text("#,+=\"' a", min_size=1, max_size=6)).map(
    lambda text: Column(column=text)
)
positions = st.integers(1, 1_000).map(lambda number: Position(position=number))


@st.composite
def mappings(draw):
    """Return a mapping and the text that describes it."""
    terms = draw(st.sampled_from([names, positions])) | values
    always_quote = draw(st.booleans())
    mapping = {}
    entries = []
    for raw in draw(st.lists(st.sampled_from(list(RAW_SCHEMA)), min_size=1, max_size=5, unique=True)):
        most = 3 if raw in VOLUMES else 1
        made_of = draw(st.lists(terms, min_size=1, max_size=most, unique=True))
        mapping[raw] = Sum(sum=tuple(made_of)) if len(made_of) > 1 else made_of[0]
        spaced = [draw(blanks) + written(term, always_quote=always_quote) + draw(blanks) for term in made_of]
        entries.append(raw + draw(blanks) + "=" + "+".join(spaced))
    return mapping, ("," + draw(blanks)).join(entries)


@examples
@given(mappings())
def test_the_text_form_is_parsed_with_any_names_and_blanks(case):
    mapping, text = case
    assert parse(text) == mapping


sources = st.one_of(
    names,
    positions,
    values,
    st.builds(Column, column=texts.filter(bool), unit=st.sampled_from(["s", "ms", "us", "ns"])),
    st.lists(names, min_size=1, max_size=3, unique=True).map(lambda terms: Sum(sum=tuple(terms))),
    st.builds(Span, start=names, end=names),
)


@examples
@given(st.dictionaries(st.sampled_from(list(RAW_SCHEMA)), sources, min_size=1, max_size=4), st.sampled_from([None, 2]))
def test_a_document_is_parsed_or_rejected_with_one_error(document, indent):
    text = json.dumps(
        {raw: source.model_dump(exclude_defaults=True) for raw, source in document.items()}, indent=indent
    )
    try:
        assert parse(text) == document
    except SettingsError as error:
        assert re.match(r"FLOWS_COLUMNS: .+(cannot be|cannot have|other columns are positions)", str(error))  # noqa: PT017 - either is good
        assert len(str(error)) < 500  # noqa: PT017 - either is good


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["column", "unit", "sum", "start", "end", "position", "value"]) | st.text(), inner
        )
    ),
    max_leaves=6,
)


@examples
@given(
    st.one_of(
        st.text(),
        st.text("bytes=duration,+\"'#1 a{}[]:"),
        st.dictionaries(st.sampled_from([*RAW_SCHEMA, "preset"]) | st.text(), json_values, max_size=3).map(json.dumps),
    )
)
def test_any_text_is_parsed_or_rejected_with_one_error(text):
    """The error names the variable in a short, printable line."""
    try:
        columns, _ = parse_columns(text, presets())
        assert columns.layouts
    except SettingsError as error:
        assert str(error).startswith("FLOWS_COLUMNS: ")  # noqa: PT017 - a text without an error is fine, too
        assert len(str(error)) < 500  # noqa: PT017 - as above
        assert str(error).isprintable()  # noqa: PT017 - as above


def test_the_examples_of_the_documentation():
    assert parse("""timestamp='2026-11-22',label=#42,bytes=#5+#6""") == {
        "timestamp": Value(value="2026-11-22"),
        "label": Position(position=42),
        "bytes": Sum(sum=(Position(position=5), Position(position=6))),
    }
    assert parse('duration="#dur",bytes="a+b"+Total Bytes') == {
        "duration": Column(column="#dur"),
        "bytes": Sum(sum=(Column(column="a+b"), Column(column="Total Bytes"))),
    }
    document = {
        "timestamp": "when",
        "bytes": {"sum": ["sent", "received"]},
        "duration": {"column": "ms", "unit": "ms"},
        "label": {"value": "benign"},
    }
    assert parse(json.dumps(document)) == {
        "timestamp": Column(column="when"),
        "bytes": Sum(sum=(Column(column="sent"), Column(column="received"))),
        "duration": Column(column="ms", unit="ms"),
        "label": Value(value="benign"),
    }
    assert parse('{"duration": {"start": "first", "end": {"column": "last", "unit": "ms"}}}') == {
        "duration": Span(start=Column(column="first"), end=Column(column="last", unit="ms"))
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"octets": "a"}', "'octets' is not a column of the raw layer. Use timestamp, src_ip"),
        ('{"bytes": "a", "bytes": "b"}', "the key 'bytes' appears twice"),
        ('{"bytes": {"column": "a", "column": "b"}}', "the key 'column' appears twice"),
        ('{"duration": {"column": "a", "unit": "min"}}', "duration: 'unit': input should be 's', 'ms', 'us' or 'ns'"),
        ('{"duration": {"column": "a", "units": "s"}}', "duration: 'units': is not a known key here"),
        ('{"duration": {"column": ["a"]}}', "duration: 'column': input should be a valid string"),
        ('{"duration": {"column": ""}}', "duration: 'column': string should have at least 1 character"),
        ('{"duration": {"position": 0}}', "duration: 'position': input should be greater than or equal to 1"),
        ('{"duration": {"position": "1"}}', "duration: 'position': input should be a valid integer"),
        ('{"duration": {"start": "a"}}', "duration: 'end': field required"),
        ('{"duration": {"name": "a"}}', "duration: has an unknown form. Use a column's name, {"),
        ('{"duration": 5}', "duration: has an unknown form"),
        ('{"duration": null}', "duration: has an unknown form"),
        ('{"bytes": {"sum": []}}', "bytes: 'sum': tuple should have at least 1 item"),
        ('{"bytes": {"sum": "a"}}', "bytes: 'sum': input should be a valid tuple"),
        ('{"bytes": {"sum": ["a", {"sum": ["b"]}]}}', "bytes: 'sum': '1': "),
        ('{"bytes": {"sum": ["a", "a"]}}', "the sum of bytes names a column twice"),
        ('{"src_ip": {"sum": ["a", "b"]}}', "src_ip cannot be a sum. Use a sum only for bytes, duration"),
        ('{"bytes": {"start": "a", "end": "b"}}', "bytes cannot have a start and an end"),
        (
            '{"bytes": {"column": "a", "unit": "ms"}}',
            "bytes cannot have a unit. Use a unit only for timestamp and duration",
        ),
        ('{"duration": {"column": "a", "day_first": true}}', "duration cannot have day_first"),
        ('{"bytes": "a", "duration": {"position": 1}}', "'a' is a name, but other columns are positions"),
        ('{"value": {"value": "\\ud800"}}', "'value' is not a column"),
        ('{"uid": {"value": "\\ud800"}}', "uid: 'value': is not valid Unicode text"),
        ("{}", "the document names no column"),
        ("[]", "the JSON document is not an object"),
        ("{", "not a valid JSON document: Expecting property name enclosed in double quotes at line 1 column 2"),
        ('{"bytes": ' + "[" * 100_000, "not a valid JSON document: "),
        ('{"bytes": ' + "9" * 100_000 + "}", "not a valid JSON document: a number is too long"),
        (
            '{"preset": "netflow"}',
            "'netflow' is not a preset (did you mean netflow_v2?). Use one of cicflowmeter, netflow_v2",
        ),
        ('{"preset": 5}', "'5' is not a preset. Use one of cicflowmeter"),
        ("cicflowmetre", "'cicflowmetre' is not a preset, a JSON document or a file (did you mean cicflowmeter?). Use"),
        ("", "'' is not a regular file"),
        ("no/such/file.json", "'no/such/file.json' is not a preset, a JSON document or a file. Use one of cicflow"),
        ("x" * 5_000, "the file 'xxxxx"),
        ("a\0b", "'a\\x00b' is not a preset, a JSON document or a file"),
        ("/dev/zero", "'/dev/zero' is not a regular file"),
    ],
)
def test_an_invalid_mapping_is_rejected(text, message):
    """The message is short and names the variable, the wrong part, and the valid values."""
    with pytest.raises(SettingsError, match=f"^FLOWS_COLUMNS: {re.escape(message)}") as raised:
        parse_columns(text, presets())
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("content", ["password: hunter2", '{"bytes": hunter2}', b"hunter2\xff", "hunter2" * 200_000])
def test_the_content_of_an_invalid_file_is_never_quoted(tmp_path, content):
    """The name may be a typing error, and the file confidential."""
    path = write(tmp_path / "columns.json", content)
    with pytest.raises(SettingsError, match=r"^FLOWS_COLUMNS: ") as raised:
        parse_columns(str(path), presets())
    assert "hunter2" not in str(raised.value)


def test_a_pipe_is_rejected_without_waiting_for_its_other_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="is not a regular file"):
        parse_columns(str(tmp_path / "pipe"), presets())


def test_a_document_may_be_in_a_file(tmp_path):
    text = '{"bytes": "octets"}'
    path = write(tmp_path / "columns.json", b"\xef\xbb\xbf" + text.encode() + b"\n")
    assert parse_columns(str(path), presets()) == parse_columns(text, presets())


def test_a_text_that_begins_like_an_entry_is_never_a_file(tmp_path, monkeypatch):
    """`bytes=a` is the text form even if there is such a file; `./bytes=a` is the file."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "bytes=a", '{"bytes": "b"}')
    assert parse("bytes=a") == {"bytes": Column(column="a")}
    assert parse("./bytes=a") == {"bytes": Column(column="b")}


def test_a_preset_takes_precedence_over_a_file_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "nsl_kdd", '{"bytes": "b"}')
    assert parse_columns("nsl_kdd", presets()) == (presets()["nsl_kdd"], "nsl_kdd")


def test_a_document_replaces_single_columns_of_a_preset():
    """They are replaced in each layout; all others stay."""
    columns, _ = parse_columns('{"preset": "netflow_v2", "label": {"value": "0"}}', presets())
    assert columns.preset == "netflow_v2"
    for layout, before in zip(columns.layouts, presets()["netflow_v2"].layouts, strict=True):
        optional = [(raw, source) for raw, source in before.optional if raw != "label"]
        assert layout == Layout({**before.needed, "label": Value(value="0")}, optional)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bytes=", "'bytes=' is not raw=term"),
        ("bytes=a+", "'bytes=a+' is not raw=term"),
        ("bytes=+a", "'bytes=+a' is not raw=term"),
        ("bytes=a++b", "'bytes=a++b' is not raw=term"),
        ("bytes=a,,duration=b", "'' is not raw=term"),
        ("bytes=a,", "'' is not raw=term"),
        ('bytes="a', "'bytes=\"a' is not raw=term"),
        ('bytes=""', "'bytes=\"\"' is not raw=term"),
        ('bytes="a"b', "'bytes=\"a\"b' is not raw=term"),
        ("bytes='1", '"bytes=\'1" is not raw=term'),
        ("bytes=it's", '"bytes=it\'s" is not raw=term'),
        ("bytes=a=b", "'bytes=a=b' is not raw=term"),
        ("octets=a", "'octets' is not a column of the raw layer. Use timestamp, src_ip, dst_ip, bytes"),
        ("bytes=a,bytes=b", "'bytes' appears twice. Remove one"),
        ("bytes=a+a", "the sum of bytes names a column twice. Name each column of a sum once"),
        ("src_ip=a+b", "src_ip cannot be a sum. Use a sum only for bytes, duration, orig_bytes"),
        ("src_port=a+b", "src_port cannot be a sum"),
        ("bytes=#0", "'#0' is not a valid position. Use #1, #2, …, or quote a name that begins with #"),
        ("bytes=#dur", "'#dur' is not a valid position"),
        ("bytes=#1+b", "'b' is a name, but other columns are positions. Use positions for"),
        ("bytes=#1,duration=dur", "'dur' is a name, but other columns are positions"),
    ],
)
def test_a_text_that_breaks_the_grammar_is_rejected(text, message):
    with pytest.raises(SettingsError, match=f"^FLOWS_COLUMNS: {re.escape(message)}"):
        parse_columns(text, presets())


@pytest.mark.parametrize(
    ("text", "headless"), [("bytes=a", False), ("bytes='1'", False), ("bytes=#1", True), ("bytes='1'+#2", True)]
)
def test_one_position_makes_a_layout_headless(text, headless):
    assert Layout(parse(text)).is_headless is headless


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
def test_an_invalid_constant_is_an_error_of_the_setting(tmp_path, raw, text):
    log = write(tmp_path / "log", csv_log(csv_row()))
    with pytest.raises(SettingsError, match=rf"^FLOWS_COLUMNS: {raw} cannot have the value '{text}'\. Correct it"):
        find(log, columns=f"{raw}='{text}'")


@pytest.mark.parametrize("fmt", ["zeek", "suricata", "synthetic"])
def test_a_mapping_for_a_format_without_columns_is_rejected(tmp_path, fmt):
    log = write(tmp_path / "log", zeek_log(zeek_row()))
    with pytest.raises(
        SettingsError, match=f"^FLOWS_COLUMNS with FLOWS_FORMAT={fmt}.*or use one of auto, csv, parquet"
    ):
        find(log, fmt, columns="bytes=a")


def test_a_mapping_without_a_uri_is_rejected():
    """FLOWS_URI was probably forgotten; synthetic flows would hide that."""
    with pytest.raises(
        SettingsError, match=r"^FLOWS_COLUMNS without FLOWS_URI\. Set FLOWS_URI to the path of the logs"
    ):
        find(None, columns="bytes=a")
