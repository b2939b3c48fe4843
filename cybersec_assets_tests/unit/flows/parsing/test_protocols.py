"""A protocol has one name, in whichever way a reader finds it."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.parsing.protocols import ALIASES, NAMES, name_of, protocol
from cybersec_assets_tests.support.flows.delimited_logs import ARGUS, AWS_VPC, NFDUMP, NFDUMP_LATER
from cybersec_assets_tests.support.flows.json_logs import THERE, conn, event, lines
from cybersec_assets_tests.support.flows.logs import (
    CSV,
    csv_log,
    csv_row,
    examples,
    only,
    read,
    write,
    zeek_log,
    zeek_row,
)

IANA = {0: "hopopt", 1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah"} | {
    58: "ipv6-icmp",
    88: "eigrp",
    89: "ospfigp",
    94: "ipip",
    103: "pim",
    112: "vrrp",
    115: "l2tp",
    121: "smp",
    132: "sctp",
    136: "udplite",
    137: "mpls-in-ip",
    138: "manet",
    139: "hip",
    142: "rohc",
}
WITHOUT_NAME = [61, 63, 68, 99, 114, 200, 252, 253, 254, 255]


def parquet(value):
    """Give a Parquet file of one flow."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "flows"
        pl.DataFrame(CSV | {"protocol": value}).write_parquet(file)
        return file.read_bytes()


LOGS = {
    "zeek": lambda value: zeek_log(zeek_row(proto=str(value))),
    "zeek_json": lambda value: lines(conn(proto=value)),
    "suricata": lambda value: lines(event(proto=value)),
    "suricata, netflow": lambda value: lines(THERE | {"proto": value}),
    "csv": lambda value: csv_log(csv_row(protocol=str(value))),
    "parquet": parquet,
    "argus": lambda value: ARGUS.log(ARGUS.row({"Proto": str(value)})),
    "nfdump": lambda value: NFDUMP.log(NFDUMP.row({"pr": str(value)})),
    "nfdump, later": lambda value: NFDUMP_LATER.log(NFDUMP_LATER.row({"proto": str(value)})),
    "aws_vpc": lambda value: AWS_VPC.log(AWS_VPC.row({"protocol": str(value)})),
}
every_reader = pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)
WRITTEN = [(6, "tcp"), ("06", "tcp"), ("006", "tcp"), (6.0, "tcp"), ("17.0", "udp"), ("089", "ospfigp"), (253, "253")]
WRITTEN += [("0253", "253"), ("TCP", "tcp"), ("ICMP6", "ipv6-icmp"), ("ipv6-icmp", "ipv6-icmp"), ("OSPF", "ospfigp")]


@every_reader
@pytest.mark.parametrize(("value", "name"), WRITTEN)
def test_every_reader_gives_a_protocol_its_one_name(log, value, name, tmp_path):
    """A number, a number with leading zeros, a float and another name become the same name everywhere."""
    kept, rejected = read(write(tmp_path / "log", log(value)))
    assert (only(kept)["protocol"], rejected.height) == (name, 0)


@every_reader
@pytest.mark.parametrize("value", [256, "0256", 1e9, "6.5", -1])
def test_every_reader_rejects_a_number_that_is_no_protocol(log, value, tmp_path):
    """A number outside of 0 to 255 puts its record at fault, with the number as the log has it."""
    kept, rejected = read(write(tmp_path / "log", log(value)))
    assert (kept.height, only(rejected)["fault"]) == (0, "protocol")
    assert float(only(rejected)["value"]) == float(value)


@pytest.mark.parametrize("number", IANA)
def test_numbers_have_the_names_that_iana_gives_them(number):
    """The names are those of IANA's registry."""
    assert name_of(str(number)) == IANA[number]


@pytest.mark.parametrize("number", WITHOUT_NAME)
def test_a_number_without_a_name_is_its_own_name(number):
    """A number that IANA gives no keyword stays, without leading zeros."""
    assert name_of(f"00{number}") == str(number)


@examples
@given(st.integers(0, 255), st.sampled_from(["", "0", "00", "+"]), st.sampled_from(["", ".", ".0", ".000"]))
def test_a_number_has_one_name_however_it_is_written(number, before, behind):
    """Leading zeros, a sign, a fraction of zero and blanks change nothing; the name itself is read as itself."""
    name = name_of(str(number))
    assert name_of(f" {before}{number}{behind} ") == name
    assert name_of(name.upper()) == name


def test_another_name_stands_for_a_name():
    """No alias leads to another alias, and none hides the name of another protocol."""
    assert set(ALIASES.values()) <= set(NAMES.values())
    assert not set(ALIASES) & set(NAMES.values())


@examples
@given(st.none() | st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_has_a_name_or_none(text):
    """Any text is read without an error, as a name in lower case, or as no protocol."""
    field = protocol(pl.col("text"))
    frame = pl.DataFrame({"text": [text]}, schema={"text": pl.String})
    assert frame.select(field.value).item() == (None if text is None else name_of(text))


@pytest.mark.parametrize("text", ["", " ", "256", "-1", "6.5", "1e3", "nan", "inf", "0" * 1_000 + "256", "9" * 5_000])
def test_what_is_no_protocol_has_no_name(text):
    """Blank text and numbers that are no protocol's have no name."""
    assert name_of(text) is None
