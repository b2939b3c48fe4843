"""With a key, no address is stored or shown."""

import polars as pl
import pytest

from cybersec_assets.errors import CybersecError
from cybersec_assets.flows.pseudonyms.privacy import without_addresses
from cybersec_assets.flows.pseudonyms.pseudonyms import Pseudonyms
from cybersec_assets_tests.support.flows.json_logs import conn, event, lines
from cybersec_assets_tests.support.flows.logs import CSV, csv_log, csv_row, read, write, zeek_log, zeek_row

PSEUDONYMS = Pseudonyms(bytes(range(32)))
CLEAR = ("10.0.0.1", "10.0.0.2", "2001:db8::1")
LOGS = {
    "zeek": zeek_log(zeek_row(), zeek_row()),
    "zeek_json": lines(conn(), conn()),
    "suricata": lines(event(), event()),
    "csv": csv_log(csv_row(), csv_row()),
}


@pytest.mark.parametrize("name", LOGS)
def test_only_the_addresses_are_replaced_by_pseudonyms(tmp_path, name):
    path = write(tmp_path / "log", LOGS[name])
    clear, _ = read(path)
    kept, rejected = read(path, pseudonyms=PSEUDONYMS)
    assert rejected.is_empty()
    for column in ("src_ip", "dst_ip"):
        assert kept[column].to_list() == PSEUDONYMS.of(clear[column]).to_list()
    assert kept.drop("src_ip", "dst_ip").equals(clear.drop("src_ip", "dst_ip"))
    assert not any(address in kept.write_csv() for address in CLEAR)


SHIFTED = ["10.0.0.1", "2001:db8::1", "host 10.0.0.2", "::1", "fe80::1%eth0", "[10.0.0.2]:80"]


@pytest.mark.parametrize("address", SHIFTED)
@pytest.mark.parametrize("column", ["protocol", "uid", "service", "conn_state"])
def test_an_address_in_another_column_has_a_pseudonym(tmp_path, column, address):
    """Columns may be shifted or mapped wrongly. Other values stay."""
    text = f"{','.join(CSV)},uid,service,conn_state\n"
    words = {"uid": "C1", "service": "ssl", "conn_state": "SF"}
    text += "".join(",".join((CSV | words | odd).values()) + "\n" for odd in ({}, {column: address}))
    kept, _ = read(write(tmp_path / "log", text), pseudonyms=PSEUDONYMS)
    usual = {"protocol": "tcp", **words}[column]
    assert kept[column].to_list() == [usual, PSEUDONYMS.of(pl.Series([address.lower()]))[0]]
    assert address not in kept.write_csv()


DAMAGED = {
    "a value": zeek_log(zeek_row(duration="10.0.0.1"), zeek_row(ts="-")),
    "a column shifted": zeek_log(zeek_row().split("\t", 1)[1]),
    "not a log": "10.0.0.1 is not a log\n",
    "no header": zeek_row(),
    "no separator": "#separator 10.0.0.1\n#fields\n",
    "JSON": lines(conn(ts="10.0.0.1"), '{"id.orig_h": "10.0.0.1"'),
    "CSV": csv_log(csv_row(bytes="10.0.0.1")),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("fmt", ["auto", "zeek", "csv"])
def test_errors_contain_no_address(tmp_path, name, fmt):
    path = write(tmp_path / "log", DAMAGED[name])
    with pytest.raises(CybersecError) as caught:
        read(path, fmt, share=0.0, pseudonyms=PSEUDONYMS)
    assert not any(address in str(caught.value) for address in CLEAR)
    assert str(path) in str(caught.value)


def test_errors_contain_values_without_a_key(tmp_path):
    """The negative control of the test above."""
    path = write(tmp_path / "log", DAMAGED["a value"])
    with pytest.raises(CybersecError, match=r"'10\.0\.0\.1'"):
        read(path, share=0.0)


def test_a_later_filter_applies_to_the_pseudonym():
    flows = pl.LazyFrame({"src_ip": list(CLEAR), "bytes": [1, 2, 3]})
    hidden = without_addresses(flows, PSEUDONYMS)
    wanted = PSEUDONYMS.of(pl.Series(["10.0.0.2"]))[0]
    assert hidden.filter(pl.col("src_ip") == wanted).collect()["bytes"].to_list() == [2]
    assert hidden.filter(pl.col("src_ip") == "10.0.0.2").collect().is_empty()
