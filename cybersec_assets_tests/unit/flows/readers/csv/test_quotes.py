"""CSV whose quotes do not fit, or stand where they need a second look."""

import pytest

from cybersec_assets_tests.support.flows.logs import csv_log, csv_row, faults, only, read, write


@pytest.fixture
def log(tmp_path):
    """Where the log is written."""
    return tmp_path / "flows.csv"


def test_a_control_character_in_quotes_is_text_like_any_other(log):
    """A field in quotes keeps what no log has, and blank lines still are none."""
    kept, rejected = read(write(log, csv_log(csv_row(), csv_row(protocol='"T,C""\x01"'), "\n", " \n")))
    assert (kept["protocol"].to_list(), rejected.height) == (["tcp", 't,c"\x01'], 0)


def test_quotes_in_a_line_that_is_too_long_cost_that_line_alone(log):
    """A line with too many fields and quotes within them is rejected, and those below it are read."""
    long = csv_row(protocol='-1,C"1.5,-1,C""P"')
    kept, rejected = read(write(log, csv_log(csv_row(), long, csv_row(), csv_row(protocol='"T,C""P"'))))
    assert (kept.height, faults(rejected)) == (3, [(3, "quotes", "")])


def test_a_quoted_separator_makes_no_line_too_long(log):
    """Separators in quotes part no fields, also where another field has quotes within it."""
    rows = csv_row(src_ip='"a,,,,,,"', protocol='t"c"p'), csv_row(timestamp='"2024-04-19,,,,,,"', protocol='t"c"p')
    kept, rejected = read(write(log, csv_log(*rows)))
    assert (only(kept)["src_ip"], faults(rejected)) == ("a,,,,,,", [(3, "timestamp", "2024-04-19,,,,,,")])


def test_a_quote_left_open_swallows_no_line_unseen(log):
    """Where an open quote makes one field of several lines, the row is rejected."""
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
def test_quotes_that_do_not_fit_cost_their_own_line(log, damaged, below):
    """A line whose quotes do not fit is rejected, and those around it are kept."""
    kept, rejected = read(write(log, csv_log(csv_row(protocol='"tcp"'), damaged, *below)))
    assert (kept.height, faults(rejected)) == (1 + len(below), [(3, "quotes", "")])


def test_a_field_of_lines_is_read_beside_quotes_that_do_not_fit(log):
    """A line whose quotes do not fit changes nothing about a field that rightly spans lines."""
    header = csv_log().replace("\n", ",service\n")
    rows = csv_row(protocol='tcp,"a""\nb,c"'), csv_row(protocol='"tcp'), csv_row(protocol='tcp,5" and 6"')
    kept, rejected = read(write(log, header + "".join(rows)))
    assert (kept["service"].to_list(), rejected["fault"].to_list()) == (['a"\nb,c', '5" and 6"'], ["quotes"])
