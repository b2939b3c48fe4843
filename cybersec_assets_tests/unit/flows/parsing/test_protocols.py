"""Normalizing protocols to one name."""

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
    """Return a Parquet file with one flow."""
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
def test_every_reader_normalizes_protocols(log, value, name, tmp_path):
    kept, rejected = read(write(tmp_path / "log", log(value)))
    assert (only(kept)["protocol"], rejected.height) == (name, 0)


@every_reader
@pytest.mark.parametrize("value", [256, "0256", 1e9, "6.5", -1])
def test_every_reader_rejects_a_number_outside_0_to_255(log, value, tmp_path):
    kept, rejected = read(write(tmp_path / "log", log(value)))
    assert (kept.height, only(rejected)["fault"]) == (0, "protocol")
    assert float(only(rejected)["value"]) == float(value)


@pytest.mark.parametrize("number", IANA)
def test_the_names_are_those_of_iana(number):
    assert name_of(str(number)) == IANA[number]


@pytest.mark.parametrize("number", WITHOUT_NAME)
def test_a_number_without_a_name_is_its_own_name(number):
    assert name_of(f"00{number}") == str(number)


@examples
@given(st.integers(0, 255), st.sampled_from(["", "0", "00", "+"]), st.sampled_from(["", ".", ".0", ".000"]))
def test_leading_zeros_signs_fractions_and_blanks_do_not_matter(number, before, after):
    name = name_of(str(number))
    assert name_of(f" {before}{number}{after} ") == name
    assert name_of(name.upper()) == name


def test_an_alias_is_not_a_name_and_leads_to_a_name():
    assert set(ALIASES.values()) <= set(NAMES.values())
    assert not set(ALIASES) & set(NAMES.values())


@examples
@given(st.none() | st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_without_an_error(text):
    field = protocol(pl.col("text"))
    frame = pl.DataFrame({"text": [text]}, schema={"text": pl.String})
    assert frame.select(field.value).item() == (None if text is None else name_of(text))


@pytest.mark.parametrize("text", ["", " ", "256", "-1", "6.5", "1e3", "nan", "inf", "0" * 1_000 + "256", "9" * 5_000])
def test_blank_text_and_invalid_numbers_have_no_name(text):
    assert name_of(text) is None
