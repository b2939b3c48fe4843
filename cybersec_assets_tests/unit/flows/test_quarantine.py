"""Damaged lines are quarantined whole, with their place and error."""

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.pseudonyms.pseudonyms import Pseudonyms
from cybersec_assets.flows.quarantine import QUARANTINE, write_quarantine
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.support.flows.logs import CSV, DAY, csv_log, csv_row, examples, write, zeek_log, zeek_row


def quarantine(uri, pseudonyms=None):
    """Ingest logs, and return the quarantine."""
    with tempfile.TemporaryDirectory() as folder:
        kept, rejected, aside = (Path(folder) / name for name in ("kept", "rejected", "aside"))
        logs = FlowSource(str(uri), pseudonyms=pseudonyms).logs_of(DAY, Path(folder) / "logs")
        ingest(logs, kept, rejected)
        write_quarantine(rejected, logs, aside)
        return pl.read_parquet(aside)


def test_a_damaged_line_is_quarantined_whole(tmp_path):
    bad = zeek_row(duration="long", service="a\x01b")
    write(tmp_path / "a.log", zeek_log(zeek_row(), bad), packed=True)
    write(tmp_path / "b.csv", csv_log(csv_row(), csv_row(src_ip=""), csv_row()))
    aside = quarantine(f"{tmp_path}/*")
    assert tuple(aside.columns) == QUARANTINE
    assert aside.rows() == [
        (f"{tmp_path}/a.log", 8, "duration", "long", bad.rstrip("\n")),
        (f"{tmp_path}/b.csv", 3, "src_ip", "", csv_row(src_ip="").rstrip("\n")),
    ]


def test_a_record_without_a_line_is_quarantined(tmp_path):
    path = tmp_path / "flows.parquet"
    pl.DataFrame([CSV, CSV | {"duration": "long"}]).write_parquet(path)
    assert quarantine(path).rows() == [(str(path), 2, "duration", "long", None)]


def test_with_pseudonyms_only_place_and_fault_are_quarantined(tmp_path):
    """Anything in a damaged line may be an address, so no text of it is stored."""
    bad = zeek_row(duration="10.9.8.7", id__orig_h="10.6.5.4")
    write(tmp_path / "a.log", zeek_log(zeek_row(), bad, zeek_row(id__orig_h="10.6.5.4 x")))
    assert quarantine(f"{tmp_path}/*", Pseudonyms(bytes(32))).rows() == [
        (f"{tmp_path}/a.log", 8, "duration", None, None),
        (f"{tmp_path}/a.log", 9, "src_ip", None, None),
    ]


@examples
@given(st.lists(st.lists(st.booleans(), max_size=9), min_size=1, max_size=3))
def test_every_damaged_line_is_quarantined(files):
    with tempfile.TemporaryDirectory() as folder:
        expected = []
        for number, lines in enumerate(files):
            rows = [zeek_row(uid=f"C{i}", duration="1" if good else f"long{i}") for i, good in enumerate(lines)]
            path = write(Path(folder) / f"{number}.log", zeek_log(zeek_row(), zeek_row(duration="x"), *rows))
            expected += [(str(path), zeek_row(duration="x"))]
            expected += [(str(path), row) for row, good in zip(rows, lines, strict=True) if not good]
        aside = quarantine(f"{folder}/*.log")
        assert [(file, f"{text}\n") for file, text in aside.select("file", "text").rows()] == expected


def test_a_secret_is_not_quarantined(tmp_path, monkeypatch):
    """A file of secrets that was read as a log must not show them to readers of the bucket."""
    monkeypatch.setenv("PG_PASSWORD", "hush-hush-hush")
    many = [zeek_row() for _ in range(2_000)]
    write(tmp_path / "a.log", zeek_log(*many, zeek_row(duration="hush-hush-hush", service="x-hush-hush-hush")))
    (row,) = quarantine(tmp_path / "a.log").to_dicts()
    assert row["value"] == "[redacted]"
    assert "x-[redacted]" in row["text"]
    assert "hush" not in row["text"]
