"""Properties of every format with separators and a header."""

import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.readers import readers
from cybersec_assets.flows.staging import stage
from cybersec_assets.sources.local import local_files
from cybersec_assets_tests.support.flows.delimited_logs import AWS_VPC, KINDS, NFDUMP
from cybersec_assets_tests.support.flows.logs import (
    csv_log,
    csv_row,
    examples,
    faults,
    find,
    only,
    read,
    write,
    zeek_log,
)

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
NOT_SAID = {"": "", "-": ""}
"""The texts of an unset value in these formats."""


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "flows.log"


def recognised_by(log):
    """Return the formats that recognise a file."""
    copy = stage(*local_files(str(log)), log.with_name("copy"))
    return [name for name, reader in readers().items() if reader.recognises(copy)]


@every_kind
def test_a_format_is_known_by_its_header_alone(log, kind):
    assert recognised_by(write(log, kind.header())) == [kind.name]


@pytest.mark.parametrize("text", [csv_log(csv_row()), zeek_log(), '{"ts": 1, "conn_state": "SF"}\n', "Lorem ipsum\n"])
def test_other_files_are_not_recognised(log, text):
    assert not {kind.name for kind in KINDS} & set(recognised_by(write(log, text)))


@every_kind
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.removesuffix("\n"),
        lambda text: text + "\ufeff" + text.partition("\n")[0],
    ],
    ids=["plain", "byte order mark", "CRLF", "no end", "a marked header at the end"],
)
def test_variants_of_a_file_have_the_same_values(log, kind, change, packed):
    """A byte order mark, CRLF and a last line without a line end change no value."""
    expected, _ = read(write(log, kind.log(kind.row())), kind.name)
    kept, rejected = read(write(log, change(kind.log(kind.row(), kind.row())), packed=packed), kind.name)
    assert (kept.rows(), rejected.height) == (expected.rows() * 2, 0)


@every_kind
def test_invalid_utf8_loses_no_line(log, kind):
    name = next(name for name in ("State", "flg", "flows", "action") if name in kind.record)
    text = kind.log(kind.row({name: "caf\xe9"}), kind.row()).encode("latin-1")
    assert read(write(log, text), kind.name)[0].height == 2


@pytest.mark.parametrize(
    ("kind", "name", "value", "column"),
    [(kind, *fault) for kind in KINDS for fault in kind.faults],
    ids=lambda value: getattr(value, "id", value),
)
def test_a_value_that_does_not_parse_is_an_error(log, kind, name, value, column):
    kept, rejected = read(write(log, kind.log(kind.row(), kind.row({name: value}), kind.row())), kind.name)
    assert kept.height == 2
    assert only(rejected) == {"file": str(log), "line": 3, "fault": column, "value": NOT_SAID.get(value, value)}


@every_kind
@pytest.mark.parametrize(
    "change",
    [
        lambda row, _: row[:20] + "\n",
        lambda row, separator: row.rpartition(separator)[0] + "\n",
        lambda row, separator: row[:-1] + separator + "5\n",
        lambda row, separator: row[:-1] + separator + "\n",
        lambda row, _: "\x01" + row,
        lambda row, _: row[:-1] + "\x01\n",
    ],
    ids=[
        "cut",
        "one too few",
        "one too many",
        "an empty one too many",
        "a character that no log has",
        "one at the end",
    ],
)
def test_a_line_with_another_number_of_fields_is_an_error(log, kind, change):
    damaged = change(kind.row(), kind.separator)
    kept, rejected = read(write(log, kind.log(kind.row(), damaged, kind.row())), kind.name)
    assert (kept.height, faults(rejected)) == (2, [(3, "number of fields", "")])


@every_kind
def test_a_blank_line_is_skipped_and_shifts_no_number(log, kind):
    text = kind.log(kind.row(), "\n", kind.row().replace(kind.separator, "", 1), "\n")
    kept, rejected = read(write(log, text), kind.name)
    assert (kept.height, faults(rejected)) == (1, [(4, "number of fields", "")])


@every_kind
def test_a_cut_last_line_is_an_error(log, kind):
    kept, rejected = read(write(log, kind.log(kind.row(), kind.row()[:15])), kind.name)
    assert (kept.height, faults(rejected)) == (1, [(3, "number of fields", "")])


@every_kind
def test_an_open_quote_swallows_no_line(log, kind):
    last = list(kind.record)[-1]
    name = "fwd" if kind is NFDUMP else last
    rows = [kind.row({name: '"x'}), kind.row(), kind.row({name: 'x"'})]
    assert read(write(log, kind.log(*rows)), kind.name)[0].height == 3


@every_kind
@pytest.mark.parametrize("padding", [1, 3_000], ids=["near", "beyond the head"])
def test_another_header_and_its_records_are_errors(log, kind, padding):
    """Lines below a header with other names are rejected until the first header comes again."""
    swapped = dict(reversed(kind.record.items()))
    other = type(kind)(kind.name, swapped, (), (), kind.separator)
    text = kind.log(kind.row() * padding) + other.log(other.row(), other.row()) + kind.log(kind.row())
    kept, rejected = read(write(log, text), kind.name)
    assert (kept.height, kept["src_ip"].n_unique()) == (padding + 1, 1)
    assert faults(rejected) == [(padding + 1 + line, "header", "") for line in (1, 2, 3)]


@every_kind
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_header_alone_has_no_records(log, kind, end):
    kept, rejected = read(write(log, kind.header().removesuffix("\n") + end), kind.name)
    assert (kept.height, rejected.height) == (0, 0)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in kind.needed])
def test_a_file_without_a_needed_column_is_rejected(log, kind, name):
    have = {field: value for field, value in kind.record.items() if field not in {name, "te"}}
    write(log, type(kind)(kind.name, have, (), (), kind.separator).header())
    with pytest.raises(UnreadableLogError, match=rf"^{log} has no column {name}\. Add it to the log, or remove"):
        find(log)


damages = st.sampled_from(["good", "good", "header", "cut", "long", "value"])


def line_of(kind, damage, which):
    """Return a line and its expected error."""
    if damage == "value":
        name, value, column = kind.faults[which % len(kind.faults)]
        return kind.row({name: value}), (column, NOT_SAID.get(value, value))
    row = kind.row()
    return {
        "good": (row, None),
        "header": (kind.header(), None),
        "cut": (row.rpartition(kind.separator)[0] + "\n", ("number of fields", "")),
        "long": (row[:-1] + f"{kind.separator}x\n", ("number of fields", "")),
    }[damage]


@examples
@given(st.sampled_from([*KINDS]), st.lists(st.tuples(damages, st.integers(0, 99)), max_size=20), st.booleans())
def test_every_damaged_line_is_rejected_with_its_line(kind, drawn, packed):
    """Kept and rejected lines add up to all lines that are not headers; each rejected one has its line and error."""
    lines = [line_of(kind, damage, which) for damage, which in drawn]
    text = kind.log(*(line for line, _ in lines)).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flows.log"
        path.write_bytes(gzip.compress(text) if packed else text)
        kept, rejected = read(path, kind.name)
    assert faults(rejected) == [(number, *said) for number, (_, said) in enumerate(lines, 2) if said]
    assert kept.height == [damage for damage, _ in drawn].count("good")


def test_a_record_of_the_default_format_of_aws_is_no_header(log):
    """Detection by the header and by records do not interfere: a file without a header loses no record."""
    assert read(write(log, AWS_VPC.row() * 2))[0].height == 2
