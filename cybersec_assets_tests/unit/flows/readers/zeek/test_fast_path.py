"""The fast path for Zeek logs returns the same rows as the complete one, and misses no error."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.compression import CHUNK_BYTES
from cybersec_assets.flows.readers.zeek.header import blocks
from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.support.flows.logs import DAY, ZEEK, examples, write, zeek_header, zeek_log, zeek_row

ODD = [
    *(
        "-",
        "(empty)",
        "",
        " ",
        "  ",
        "\r",
        "x",
        "#",
        "''",
        '"',
        '"a',
        "\\x2d",
        "\\x31",
        "\\x",
        "\x01",
        "\x00",
        "é",
        "\ufeff",
    ),
    *("0", "00012", "+5", "-5", " 5", "  5", "5 ", "5\r", "\r5", "- 5", "--5", "+-5", "٣", "0x10", "1_0", " -", "-\r"),
    *("1e3", "1E5", "1e", "1.0", "-5.", ".5", "5.", ".", "1,5", "e5", "+.5", "-0.0", "0x1p3", "1d5", "true", "1e-999"),
    *("inf", "-inf", "+inf", "Infinity", "INF", "nan", "NaN", "-nan", "1e999", "1" * 400, "0." + "1" * 400),
    *(str(n) for power in (15, 16, 31, 32, 63, 64) for n in (2**power - 1, 2**power, -(2**power), -(2**power) - 1)),
    *(
        "1713484795943",
        "1713484795943250",
        "1713484795943250123",
        "20240419000000",
        "1e300",
        "253402300800",
        "-62135596800",
        "10.0.0.1 ",
        " ::1",
        "fe80::1%eth0",
        "host",
        "::1,",
    ),
]
odd = st.sampled_from(ODD) | st.sampled_from(ODD).map(lambda text: text * 2) | st.floats().map(str)
damages = st.dictionaries(st.sampled_from([*ZEEK, "label", "tunnel_parents"]), odd, max_size=2)
breaks = st.sampled_from(
    [
        *[lambda line, _: line] * 12,
        lambda line, at: line[:at],
        lambda line, at: line[at:],
        lambda line, _: line.rpartition("\t")[0],
        lambda line, _: line + "\t",
        lambda line, _: line + "\tx\ty",
        lambda line, _: line + line,
        lambda *_: "",
        lambda line, _: "#" + line,
        lambda line, _: line + "\r",
    ]
)


@st.composite
def logs(draw):
    """Draw the bytes of a log in which some values and lines are damaged."""
    last = draw(st.sampled_from(["resp_pkts", "duration", "id.resp_h", "service", "label", "tunnel_parents"]))
    fields = [*(name for name in [*ZEEK, "local_orig"] if name != last), last]
    values = ZEEK | {"label": "Benign", "tunnel_parents": "(empty)", "local_orig": "T"}
    header = zeek_header(fields).replace("(empty)", draw(st.sampled_from(["(empty)", "", "T"])))
    text = header
    for damage in draw(st.lists(st.none() | damages, max_size=6)):
        row = values | (damage or {})
        line = "\t".join(row[name] for name in fields)
        text += draw(breaks)(line, draw(st.integers(0, 90))) if damage is not None else line
        text += draw(st.sampled_from(["\n", "\n", "\n", "\r\n"]))
        text += draw(st.sampled_from(["", "", "", header, zeek_header(reversed(fields))]))
    text = text.removesuffix("\n") if draw(st.booleans()) else text
    separator = draw(st.sampled_from(["\t", "\t", "\t", ",", "\x01", " "]))
    text = text.replace("\t", separator).replace("\\x09", f"\\x{ord(separator):02x}")
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "latin-1"]))
    return text.encode(encoding, "replace")


def both(content):
    """Return the rows of the complete path and of the fast path, None if that raised an error."""
    with tempfile.TemporaryDirectory() as folder:
        found = FlowSource(str(write(Path(folder) / "conn.log", content))).logs_of(DAY, Path(folder) / "logs")
        (part,) = found.parts
        complete = part.scan(part.files).collect(engine="streaming")
        try:
            return complete, part.fast_scan(part.files).collect(engine="streaming")
        except pl.exceptions.PolarsError:
            return complete, None


@examples
@given(logs())
def test_the_fast_path_agrees_with_scan(content):
    """If the fast path suspects no row, `scan` returns the same values and no error, whatever is wrong with a log."""
    complete, fast = both(content)
    if fast is None or fast["suspect"].any():
        return
    assert fast.schema == RAW_SCHEMA | {"suspect": pl.Boolean()}
    assert complete["fault"].null_count() == complete.height
    assert fast.drop("suspect").equals(complete.select(list(RAW_SCHEMA)))


@pytest.mark.parametrize("beyond", ["", "x", "x\ty", "-", "\tx"])
@pytest.mark.parametrize("unused", [[], ["local_orig"]])
def test_a_line_with_too_many_fields_is_suspect(beyond, unused):
    """A line with too many fields is suspect or raises an error, whether or not every column is used."""
    fields = [*unused, *ZEEK]
    row = "\t".join(ZEEK.get(name, "T") for name in fields)
    complete, fast = both(f"{zeek_header(fields)}{row}\n{row}\t{beyond}\n".encode())
    assert complete["fault"].to_list() == [None, "number of fields"]
    assert fast is None or fast["suspect"].to_list() == [False, True]


@pytest.mark.parametrize("begin", ["", "\ufeff", "#\n", "\ufeff#\n"])
@pytest.mark.parametrize("beside", ["\n", "\r\n", "\n#close", "T\n", "T\r\n", " \n", "\x00\n", "T\n#"])
@pytest.mark.parametrize("first", [True, False])
def test_a_line_with_too_many_fields_and_one_with_too_few_are_suspect(begin, beside, first):
    """A line with as many fields too many as another has too few is noticed by that other one."""
    fields = ["local_orig", *ZEEK]
    row = "\t".join(ZEEK.get(name, "T") for name in fields) + "\n"
    twice = row.removesuffix("\n") + "\tx" * (len(fields) - 1) + "\n"
    pair = [beside, twice] if first else [twice, beside]
    _, fast = both("".join([begin, zeek_header(fields), row, *pair]).encode())
    assert fast is None or fast["suspect"].any()


@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_a_single_line_with_too_many_fields_is_suspect(begin):
    fields = ["local_orig", *ZEEK]
    row = "\t".join(ZEEK.get(name, "T") for name in fields)
    beyond = "\tx" * (len(fields) - 1)
    _, fast = both(f"{begin}{zeek_header(fields)}{row}\n{row}{beyond}\n".encode())
    assert fast is None or fast["suspect"].any()


@pytest.mark.parametrize("before", range(14))
def test_a_comment_across_chunks_hides_no_long_line(tmp_path, before):
    """Separators in comments do not count as separators of records, wherever a chunk ends."""
    file = write(tmp_path / "conn.log", zeek_log(zeek_row()))
    log = FlowSource(str(file)).logs_of(DAY, tmp_path / "logs").files[0]
    row = zeek_row()
    comment = "#close\t\t\t\n"
    head = zeek_log(zeek_row(uid="u" * 1000))
    body = head + row * ((CHUNK_BYTES - len(head) - 1000) // len(row))
    body += zeek_row(uid="u" * (CHUNK_BYTES - before - len(body) - len(zeek_row(uid=""))))
    assert len(body) == CHUNK_BYTES - before

    def is_even(text):
        log.path.write_text(text)
        (block,) = blocks(log)
        return block.even

    assert is_even(body + row)
    assert is_even(body + comment + row) is (before not in range(1, 9))
    for beyond in ("\t", "\t\t", "\t\t\t"):
        assert not is_even(body + comment + row.replace("\n", beyond + "\n"))


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("name", ["ts", "duration", "orig_bytes", "id.orig_p", "id.orig_h", "uid"])
def test_both_paths_agree_on_an_odd_value(name, value):
    """Each odd value in each kind of column is read alike by both paths, or only by the complete one."""
    complete, fast = both(zeek_log(zeek_row(**{name.replace(".", "__"): value})))
    if fast is not None and not fast["suspect"].any():
        assert fast.drop("suspect").equals(complete.select(list(RAW_SCHEMA)))
        assert complete["fault"].null_count() == complete.height


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("unset", ["service", "duration", "orig_bytes", "resp_pkts", "conn_state"])
def test_a_good_log_is_not_suspect(unset, end):
    """A log as Zeek writes it every day, with unset values and a repeated header, takes the fast path."""
    text = zeek_log(zeek_row(), zeek_row(**{unset: "-"})) + zeek_log(zeek_row(uid="(empty)"))
    complete, fast = both(text.replace("\n", end))
    assert fast is not None
    assert not fast["suspect"].any()
    assert (fast.height, complete.height) == (3, 3)


@pytest.mark.parametrize(
    "damaged",
    [
        zeek_row()[:-3],
        zeek_row() + "\n",
        zeek_row().replace("\n", "\t\n"),
        zeek_row(ts="-"),
        zeek_row(proto="(empty)"),
        zeek_row(id__orig_h="10.0.0.1 "),
        zeek_row(duration="nan"),
        zeek_row(orig_bytes="-1"),
        zeek_row(orig_bytes=str(2**62), resp_bytes=str(2**62)),
        zeek_row(orig_bytes=str(2**63)),
        zeek_row(resp_pkts="0x10"),
        zeek_row(id__orig_p="65536"),
        zeek_row(id__resp_p="-1"),
        zeek_row(ts="20240419000000"),
    ],
)
def test_damage_is_suspect(damaged):
    _, fast = both(zeek_log(zeek_row(), damaged))
    assert fast is None or fast["suspect"].any()


@pytest.mark.parametrize(
    "name", ["zat-zeek/conn.log", "zat-zeek/conn_date_issue.log", "labelled/zeek-conn-008.log.labeled"]
)
def test_a_real_log_is_not_suspect(shared_data, name):
    complete, fast = both((shared_data / name).read_bytes())
    assert fast is not None
    assert not fast["suspect"].any()
    assert fast.drop("suspect").equals(complete.select(list(RAW_SCHEMA)))
