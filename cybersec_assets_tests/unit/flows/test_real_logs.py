"""Real Zeek logs, compared with what plain Python reads."""

import datetime as dt
import gzip
import math

import polars as pl
import pytest

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.clean import count_repeats
from cybersec_assets.flows.day import Day
from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.quality import raw_results
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.support.flows.logs import faults, read

ROWS = {"2024-04-19": 31_367, "2024-04-20": 39_073, "2024-04-21": 35_478}
ZEEK = {
    "zat-zeek/conn.log": 360,
    "zat-zeek/conn_date_issue.log": 3,
    "labelled/zeek-conn-008.log.labeled": 5_663,
    "zeek-hourly/open_conns/closed/conn.log": 59,
    "zeek-hourly/open_conns/open/conn.log": 29,
    "zeek-hourly/open_conns/open/open_conn.log": 59,
    "zeek-hourly/open_sni/open_conn.17_32_32-18_00_00.log.gz": 12,
    "zeek-hourly/open_sni/open_conn.18_00_00-19_00_00.log.gz": 12,
    "zeek-hourly/proxy/conn.log": 463,
    "zeek-hourly/proxy_rolling/conn.15:00:00-16:00:00.log.gz": 290,
    "zeek-hourly/proxy_rolling/conn.16:00:00-17:00:00.log.gz": 7_260,
}
"""The number of connections in each of the smaller logs."""
DAMAGED = {"zeek-hourly/truncated/conn.log": 58}
"""Logs with a truncated last line, and the number of connections before it."""
NO_LOGS = {
    "zeek-hourly/text_file/conn.log": (
        "'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor i…' (605 characters)"
    ),
    "zeek-hourly/truncated/conn_top.log": (
        r"'1517336042.090842\tCi85EB2YjUI9a2eql6\t10.55.182.100\t14291\t10.233.233.5\t80\tt…' (120 characters)"
    ),
}
"""Files that have names of logs but are not logs, and how they begin: prose, and records without a header."""


@pytest.fixture(scope="module")
def days(shared_data, tmp_path_factory):
    """Return the raw layers of the three days."""
    folder = tmp_path_factory.mktemp("days")
    files = {}
    for day in ROWS:
        files[day] = folder / f"{day}.parquet"
        uri = f"{shared_data}/zeek-hourly/three-days/{{date}}/conn.*.log.gz"
        logs = FlowSource(uri).logs_of(dt.date.fromisoformat(day), folder / f"logs of {day}")
        assert len(logs.files) == 24
        assert ingest(logs, files[day], folder / "rejected.parquet").rejected == 0
    return files


def count(path):
    """Read a Zeek log with plain Python, as dictionaries."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            if line.startswith("#fields"):
                fields = line.rstrip("\n").split("\t")[1:]
            elif line.strip() and not line.startswith("#"):
                yield dict(zip(fields, line.rstrip("\n").split("\t"), strict=True))


def read_all(path):
    """Read logs in which every line parses."""
    kept, rejected = read(path)
    assert rejected.is_empty()
    return kept


def number(text):
    """Return a Zeek field's number, 0 where it is unset."""
    return 0 if text == "-" else float(text)


def agree(flows, rows):
    """Compare columns with a log's rows, value by value and as sums."""
    assert flows.height == len(rows)
    assert flows["timestamp"].to_physical().to_list() == [int(row["ts"].replace(".", "")) for row in rows]
    for name, own in {"uid": "uid", "src_ip": "id.orig_h", "dst_ip": "id.resp_h", "protocol": "proto"}.items():
        assert flows[name].to_list() == [row[own] for row in rows], name
    for name, own in {"orig_packets": "orig_pkts", "resp_packets": "resp_pkts"}.items():
        assert flows[name].sum() == sum(number(row[own]) for row in rows), name
    for name in ("orig_bytes", "resp_bytes", "duration"):
        assert flows[name].null_count() == sum(row[name] == "-" for row in rows), name
        assert math.fsum(flows[name].drop_nulls()) == math.fsum(number(row[name]) for row in rows), name
    assert flows["bytes"].sum() == sum(number(row["orig_bytes"]) + number(row["resp_bytes"]) for row in rows)


@pytest.mark.parametrize("day", ROWS)
def test_a_day_is_what_plain_python_counts(days, shared_data, day):
    logs = sorted((shared_data / "zeek-hourly/three-days" / day).glob("conn.*.log.gz"))
    rows = [row for log in logs for row in count(log)]
    assert len(rows) == ROWS[day]
    agree(pl.read_parquet(days[day]), rows)


@pytest.mark.parametrize("day", ROWS)
def test_open_connections_are_what_plain_python_counts(shared_data, day):
    """The hourly reports of open connections are read like any other log."""
    folder = shared_data / "zeek-hourly/three-days" / day
    logs = sorted(folder.glob("open_conn.*.log.gz"))
    rows = [row for log in logs for row in count(log)]
    assert (len(logs), len(rows)) == (24, 24)
    agree(read_all(folder / "open_conn.*.log.gz"), rows)


@pytest.mark.parametrize("name", ZEEK)
def test_a_log_is_what_plain_python_counts(shared_data, name):
    rows = list(count(shared_data / name))
    assert len(rows) == ZEEK[name]
    agree(read_all(shared_data / name), rows)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_truncated_last_line_is_rejected(shared_data, tmp_path, name):
    before = (shared_data / name).read_text().removesuffix("\n").rpartition("\n")[0]
    whole = tmp_path / "whole.log"
    whole.write_text(before)
    flows, rejected = read(shared_data / name)
    assert faults(rejected) == [(before.count("\n") + 2, "number of fields", "")]
    assert flows.height == DAMAGED[name]
    agree(flows, list(count(whole)))


@pytest.mark.parametrize("name", NO_LOGS)
def test_a_file_that_is_not_a_log_is_rejected(shared_data, name):
    with pytest.raises(UnreadableLogError) as caught:
        read(shared_data / name)
    told = f"{shared_data / name} is not a flow log of a known format, it begins with {NO_LOGS[name]}"
    assert str(caught.value).startswith(told)


def test_unset_volumes_stay_unset(days):
    """The volumes of 3,826 flows are unset in the log, and null in raw."""
    flows = pl.scan_parquet(list(days.values())).select(pl.col("bytes", "duration").null_count()).collect()
    assert flows.row(0) == (3_826, 3_826)


@pytest.mark.parametrize("day", ROWS)
def test_a_real_day_keeps_every_rule(days, day):
    findings = raw_results(days[day], Day(dt.date.fromisoformat(day)), 0.2)
    assert [finding.rule for finding in findings if not finding.holds] == []


def test_a_log_delivered_twice_is_detected(days):
    """A day that is read twice has as many repeats as records."""
    once = pl.scan_parquet(days["2024-04-19"])
    repeats = count_repeats(once)
    assert count_repeats(pl.concat([once, once])) == ROWS["2024-04-19"] + repeats
