"""Finding the log files of a day."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import NoFlowLogsError, SettingsError, UnreadableLogError
from cybersec_assets.flows.schema import ORIGIN, RAW_SCHEMA
from cybersec_assets.flows.source import FlowSource, formats
from cybersec_assets_tests.support.flows.logs import (
    DAY,
    csv_log,
    csv_row,
    examples,
    find,
    read,
    write,
    zeek_log,
    zeek_row,
)


def names(uri):
    """Return the names of the files of the day."""
    return [file.name for file in FlowSource(uri).files_of(DAY)]


def test_the_formats_are_those_of_the_readers():
    assert formats() == [
        "auto",
        "argus",
        "aws_vpc",
        "csv",
        "ecs",
        "nfdump",
        "parquet",
        "suricata",
        "zeek",
        "zeek_json",
        "synthetic",
    ]


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("conn.{date}.log", "conn.2024-04-19.log"),
        ("{date:%Y%m%d}.log", "20240419.log"),
        ("{date:%Y}/{date:%j}/c.log", "2024/110/c.log"),
    ],
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_template_matches_the_file_of_the_day(tmp_path, template, name, scheme):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, "x")
    write(tmp_path / "other.log", "x")
    assert names(f"{scheme}{tmp_path}/{template}") == [str(path)]


@examples
@given(st.dates(dt.date(1000, 1, 1), dt.date(9999, 12, 31)))
def test_the_date_is_written_as_iso(day):
    with pytest.raises(NoFlowLogsError, match=rf"^no file matches /nowhere/{day:%Y-%m-%d}\.log for {day:%Y-%m-%d}\. C"):
        FlowSource("/nowhere/{date}.log").files_of(day)


def test_records_come_in_the_order_of_files(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("c.log", "a.log", "b/a.log"):
        write(tmp_path / name, zeek_log(zeek_row(uid=name)))
    kept, _ = read(f"{tmp_path}/**/*.log")
    assert kept["uid"].to_list() == ["a.log", "b/a.log", "c.log"]


def test_a_relative_path_is_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "conn.log", "x")
    assert names("conn.log") == ["conn.log"]


def test_files_of_several_formats_may_be_mixed(tmp_path):
    write(tmp_path / "1.log", zeek_log(zeek_row()))
    write(tmp_path / "2.log", csv_log(csv_row()), packed=True)
    kept, _ = read(f"{tmp_path}/*.log")
    assert kept["protocol"].to_list() == ["tcp", "tcp"]


def test_no_uri_or_the_synthetic_format_gives_synthetic_flows():
    for uri, fmt in ((None, "auto"), ("/nowhere/*.log", "synthetic")):
        logs = find(uri, fmt, synthetic=7)
        assert ([part.scan(part.files).collect().height for part in logs.parts], logs.files) == ([7], [])


def test_records_have_the_one_schema(tmp_path):
    paths = write(tmp_path / "zeek", zeek_log(zeek_row())), write(tmp_path / "c", csv_log(csv_row()))
    for uri in (None, *map(str, paths)):
        (part,) = FlowSource(uri).logs_of(DAY, tmp_path / f"logs of {len(str(uri))}").parts
        assert dict(part.scan(part.files).collect_schema()) == RAW_SCHEMA | ORIGIN


def test_an_unknown_format_is_rejected():
    with pytest.raises(
        SettingsError, match=r"^FLOWS_FORMAT='pcap' is unknown\. Use one of auto, argus, aws_vpc, csv, ecs, nfdump, "
    ):
        find("x", "pcap")


@pytest.mark.parametrize(
    "template", ["{day}", "{}", "{", "{date", "{date!z}", "{date.hours}", "{date[0]}", "{date[x]}", "{0}"]
)
def test_an_invalid_template_is_rejected(template):
    with pytest.raises(
        SettingsError,
        match=r"^FLOWS_URI=/logs/.+ has a template other than \{date\}\. Use \{date\} or \{date:%Y%m%d\} as the only",
    ):
        FlowSource(f"/logs/{template}.log").files_of(DAY)


@pytest.mark.parametrize("uri", ["s3://bucket/conn.log", "https://host/conn.log"])
def test_a_url_without_a_resource_for_it_is_rejected(uri):
    with pytest.raises(
        SettingsError, match=rf"^FLOWS_URI={uri}: only local paths and s3:// are supported\. Mount or copy the logs"
    ):
        FlowSource(uri).files_of(DAY)


@pytest.mark.parametrize("uri", ["/nowhere/{date}.log", "", "/nowhere/\0"])
def test_no_file_is_an_error(uri):
    with pytest.raises(
        NoFlowLogsError, match=r"^no file matches .*for 2024-04-19\. Check FLOWS_URI and that the sensor"
    ):
        FlowSource(uri).files_of(DAY)


@pytest.mark.parametrize("content", ["Lorem ipsum\ndolor\n", "\n\n", b"\x00\x01\x02", b"a\rb\rc", '{"ts": 1}\n'])
def test_a_file_that_is_not_a_log_is_rejected(tmp_path, content):
    path = write(tmp_path / "conn.log", content)
    with pytest.raises(
        UnreadableLogError, match=rf"^{path} is not a flow log of a known format, it begins with '.*'\. Narrow"
    ):
        find(path)


def test_a_file_of_another_format_than_the_given_one_is_rejected(tmp_path):
    path = write(tmp_path / "conn.log", csv_log(csv_row()))
    with pytest.raises(
        UnreadableLogError, match=rf"^{path} has no #fields line\. Keep Zeek's header lines in the log\.$"
    ):
        find(path, "zeek")


def test_a_text_file_with_the_name_of_a_log_is_rejected(shared_data):
    path = shared_data / "zeek-hourly/text_file/conn.log"
    with pytest.raises(
        UnreadableLogError, match=rf"^{path} is not a flow log of a known format, it begins with 'Lorem ipsum"
    ):
        find(path)


def test_a_format_without_a_uri_is_rejected():
    """FLOWS_URI was probably forgotten; synthetic flows would hide that."""
    with pytest.raises(SettingsError, match="FLOWS_FORMAT=zeek without FLOWS_URI"):
        find(None, "zeek")
