"""CSV with unmatched or unusual quotes."""

import pytest

from cybersec_assets_tests.support.flows.logs import csv_log, csv_row, faults, only, read, write


@pytest.fixture
def log(tmp_path):
    """The path of the log."""
    return tmp_path / "flows.csv"


def test_a_control_character_in_quotes_is_text_like_any_other(log):
    kept, rejected = read(write(log, csv_log(csv_row(), csv_row(protocol='"T,C""\x01"'), "\n", " \n")))
    assert (kept["protocol"].to_list(), rejected.height) == (["tcp", 't,c"\x01'], 0)


def test_quotes_in_a_line_with_too_many_fields_reject_only_that_line(log):
    long = csv_row(protocol='-1,C"1.5,-1,C""P"')
    kept, rejected = read(write(log, csv_log(csv_row(), long, csv_row(), csv_row(protocol='"T,C""P"'))))
    assert (kept.height, faults(rejected)) == (3, [(3, "quotes", "")])


def test_a_quoted_separator_does_not_separate(log):
    rows = csv_row(src_ip='"a,,,,,,"', protocol='t"c"p'), csv_row(timestamp='"2024-04-19,,,,,,"', protocol='t"c"p')
    kept, rejected = read(write(log, csv_log(*rows)))
    assert (only(kept)["src_ip"], faults(rejected)) == ("a,,,,,,", [(3, "timestamp", "2024-04-19,,,,,,")])


def test_an_open_quote_loses_no_line_silently(log):
    """If an open quote makes one field of several lines, the row is rejected."""
    rows = csv_row(src_ip='"10.0.0.1'), csv_row(), csv_row(timestamp="x", src_ip='y"')
    kept, rejected = read(write(log, csv_log(*rows)))
    assert (kept.height, rejected["fault"].to_list()) == (0, ["src_ip"])


@pytest.mark.parametrize(
    "damaged",
    [
        csv_row(src_ip='"10.0.0.1'),
        csv_row(src_ip='10.0.0.1"'),
        csv_row(timestamp='"2024"-04-19'),
        csv_row(src_ip='"10.0.0.1', dst_ip='"10.0.0.2"'),
        csv_row(protocol='"TCP'),
    ],
    ids=["open", "inside", "closed early", "twice", "last"],
)
@pytest.mark.parametrize("below", [(), [csv_row()] * 200, [csv_row(), csv_row(protocol='"TCP"')]])
def test_unmatched_quotes_reject_only_their_line(log, damaged, below):
    kept, rejected = read(write(log, csv_log(csv_row(protocol='"tcp"'), damaged, *below)))
    assert (kept.height, faults(rejected)) == (1 + len(below), [(3, "quotes", "")])


def test_a_multiline_field_is_read_beside_unmatched_quotes(log):
    header = csv_log().replace("\n", ",service\n")
    rows = csv_row(protocol='tcp,"a""\nb,c"'), csv_row(protocol='"tcp'), csv_row(protocol='tcp,5" and 6"')
    kept, rejected = read(write(log, header + "".join(rows)))
    assert (kept["service"].to_list(), rejected["fault"].to_list()) == (['a"\nb,c', '5" and 6"'], ["quotes"])
