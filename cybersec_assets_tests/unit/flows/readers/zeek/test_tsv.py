"""Zeek's conn.log: its values, and what is wrong with them."""

import datetime as dt

import pytest

from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.logs import ZEEK, faults, only, read, write, zeek_header, zeek_log, zeek_row

HUGE = str(2**63 - 1)


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "conn.log"


def test_a_line_becomes_a_record(log):
    kept, rejected = read(write(log, zeek_log(zeek_row(proto="TCP"))))
    assert rejected.is_empty()
    assert only(kept) == dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": dt.datetime(2024, 4, 19, 0, 1, 0, 943_239, tzinfo=dt.UTC),
        "src_ip": "10.0.0.1",
        "src_port": 50_000,
        "dst_ip": "2001:db8::1",
        "dst_port": 443,
        "protocol": "tcp",
        "service": "ssl",
        "duration": 1.5,
        "bytes": 30,
        "orig_bytes": 10,
        "resp_bytes": 20,
        "orig_packets": 3,
        "resp_packets": 4,
        "uid": "CUM0KZ3MLUfNB0cl11",
        "conn_state": "SF",
    }


@pytest.mark.parametrize(("sent", "received", "total"), [("-", "-", None), ("7", "-", 7), ("-", "8", 8), ("0", "0", 0)])
def test_bytes_are_what_is_known_of_both_directions(log, sent, received, total):
    kept, rejected = read(write(log, zeek_log(zeek_row(orig_bytes=sent, resp_bytes=received))))
    assert (only(kept)["bytes"], rejected.height) == (total, 0)


@pytest.mark.parametrize("name", ["ts", "id.orig_h", "id.resp_h", "proto"])
@pytest.mark.parametrize("value", ["-", "(empty)", ""])
def test_a_line_without_a_required_value_is_an_error(log, name, value):
    _, rejected = read(write(log, zeek_log(zeek_row(**{name.replace(".", "__"): value}))))
    column = {"ts": "timestamp", "id.orig_h": "src_ip", "id.resp_h": "dst_ip", "proto": "protocol"}[name]
    assert faults(rejected) == [(6 + 1, column, "")]


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("ts", "timestamp", "today"),
        ("ts", "timestamp", "nan"),
        ("ts", "timestamp", "20240419000000"),
        ("ts", "timestamp", "1e300"),
        ("id.orig_h", "src_ip", "10.0.0.1 "),
        ("id.resp_h", "dst_ip", "host"),
        ("id.orig_h", "src_ip", "999.999.999.999"),
        ("id.orig_h", "src_ip", "10.0.0.256"),
        ("id.orig_h", "src_ip", "10.0.0"),
        ("id.resp_h", "dst_ip", "00:1a:2b:3c:4d:5e"),
        ("id.resp_h", "dst_ip", "2001:db8f0::1"),
        ("id.resp_h", "dst_ip", "10.0.0.1%eth0"),
        ("duration", "duration", "nan"),
        ("duration", "duration", "inf"),
        ("duration", "duration", "-inf"),
        ("duration", "duration", "1e999"),
        ("duration", "duration", "1,5"),
        ("orig_bytes", "orig_bytes", "1.5"),
        ("orig_bytes", "orig_bytes", str(2**63)),
        ("resp_bytes", "resp_bytes", str(2**64 - 1)),
        ("orig_pkts", "orig_packets", "many"),
        ("resp_pkts", "resp_packets", "0x10"),
        ("id.orig_p", "src_port", str(2**40)),
        ("id.resp_p", "dst_port", "http"),
    ],
)
def test_a_value_that_does_not_parse_is_an_error(log, name, column, value):
    rows = zeek_row(uid="before"), zeek_row(**{name.replace(".", "__"): value}), zeek_row(uid="after")
    kept, rejected = read(write(log, zeek_log(*rows)))
    assert kept["uid"].to_list() == ["before", "after"]
    assert only(rejected) == {"file": str(log), "line": 8, "fault": column, "value": value}


def test_volumes_whose_sum_is_too_large_are_errors(log):
    kept, rejected = read(write(log, zeek_log(zeek_row(orig_bytes=HUGE, resp_bytes=HUGE), zeek_row(orig_bytes=HUGE))))
    assert kept.is_empty()
    assert faults(rejected) == [(7, "bytes", f"{HUGE}+{HUGE}"), (8, "bytes", f"{HUGE}+20")]


@pytest.mark.parametrize(
    "change",
    [lambda row: row[:-6] + "\n", lambda row: row[:-1] + "\t5\n"],
    ids=["short", "long"],
)
def test_a_line_with_another_number_of_fields_is_an_error(log, change):
    kept, rejected = read(write(log, zeek_log(zeek_row(), change(zeek_row()), zeek_row())))
    assert (kept.height, faults(rejected)) == (2, [(8, "number of fields", "")])


def test_a_blank_line_is_skipped_and_shifts_no_number(log):
    kept, rejected = read(write(log, zeek_log(zeek_row(), "\n", "\t\t\n", zeek_row(ts="x"), "\n")))
    assert (kept.height, faults(rejected)) == (1, [(10, "timestamp", "x")])


def test_a_cut_last_line_is_an_error(log):
    kept, rejected = read(write(log, zeek_log(zeek_row(), zeek_row()[:40])))
    assert (kept.height, faults(rejected)) == (1, [(8, "number of fields", "")])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["\n", "", "\n#close\t2024-04-19-01-00-00\n", "\n#close\t2024-04-19-01-00-00"])
def test_the_last_line_may_end_in_any_way(log, end, packed):
    text = zeek_log(zeek_row(), zeek_row(uid="last")).removesuffix("\n") + end
    kept, rejected = read(write(log, text, packed=packed))
    assert (kept["uid"].to_list(), rejected.height) == ([ZEEK["uid"], "last"], 0)


def test_crlf_ends_a_line(log):
    kept, rejected = read(write(log, zeek_log(zeek_row(), zeek_row(resp_pkts="-")).replace("\n", "\r\n")))
    assert (kept["resp_packets"].to_list(), rejected.height) == ([4, None], 0)


def test_a_quote_is_a_character_like_others(log):
    kept, rejected = read(write(log, zeek_log(zeek_row(service='"ssl'), zeek_row(), zeek_row(service='ssl"'))))
    assert (kept["service"].to_list(), rejected.height) == (['"ssl', "ssl", 'ssl"'], 0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\x09b", "a\tb"),
        (r"\x2d", "-"),
        (r"\x5cx41", r"\x41"),
        (r"caf\xc3\xa9", "café"),
        (r"caf\xe9", r"caf\xe9"),
        (r"\X41\x4", r"\X41\x4"),
        (r"\x28empty)", "(empty)"),
    ],
)
def test_escaped_characters_are_unescaped(log, written, meant):
    kept, rejected = read(write(log, zeek_log(zeek_row(service=written), zeek_row())))
    assert (kept["service"].to_list(), rejected.height) == ([meant, "ssl"], 0)


def test_escaped_addresses_and_numbers_are_read(log):
    row = zeek_row(id__resp_h=r"2001\x3adb8\x3a\x3a1").replace("\t", ":")
    text = zeek_header().replace("\\x09", "\\x3a").replace("\t", ":") + row
    assert only(read(write(log, text))[0])["dst_ip"] == "2001:db8::1"


def test_an_empty_last_field_is_complete(log):
    """If empty fields are written as nothing, a line that ends with a separator is complete."""
    fields = [*ZEEK, "tunnel_parents"]
    rows = [zeek_row(uid=uid).removesuffix("\n") for uid in "abc"]
    text = zeek_header(fields).replace("(empty)", "") + f"{rows[0]}\t\n{rows[1]}\n{rows[2]}\t"
    kept, rejected = read(write(log, text))
    assert (kept["uid"].to_list(), faults(rejected)) == (["a", "c"], [(8, "number of fields", "")])


def test_a_missing_last_field_is_an_error(log):
    """If the header has a mark for empty fields, a line that ends with a separator is truncated."""
    text = zeek_header([*ZEEK, "tunnel_parents"]) + zeek_row().replace("\n", "\t\n")
    assert faults(read(write(log, text))[1]) == [(7, "number of fields", "")]


def test_brackets_in_a_file_name_are_not_a_pattern(tmp_path):
    write(tmp_path / "conn[1].log", zeek_log(zeek_row(uid="right")))
    write(tmp_path / "conn1.log", zeek_log(zeek_row(uid="wrong")))
    assert only(read(f"{tmp_path}/conn?1?.log")[0])["uid"] == "right"


def test_invalid_utf8_loses_no_line(log):
    kept, _ = read(write(log, zeek_log(zeek_row(service="caf\xe9")).encode("latin-1")))
    assert kept["service"].to_list() == ["caf\ufffd"]
