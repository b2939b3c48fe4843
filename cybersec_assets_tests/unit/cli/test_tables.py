"""Tables fit the terminal by folding cells and leaving out columns."""

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cybersec_assets.cli import tables
from cybersec_assets.cli.tables import GAP, fitted, fold

STAMP = dt.datetime(2026, 11, 27, 19, 26, 24)  # noqa: DTZ001 - as the database stores it
RUN = "0b6dd1a4-7f5e-4c1b-9a55-1d7a8f3c2e10"
URI = "s3://cybersec-ml-silver/network_events_silver_20261127_192624.parquet"
ROW = {
    "asset": "silver/network_events",
    "partition_key": "2026-11-26",
    "estado": "SUCCESS",
    "records": 2_118_360,
    "rejected": {"lines": 1_234},
    "at": STAMP,
    "uri": URI,
    "error": "/var/log/zeek/2026-11-26/conn.log, line 12: bytes is 'many'. Correct it, or raise max_rejected_share.",
    "size_bytes": 123_456_789,
    "sha256": "ab" * 32,
    "run_id": RUN,
    "attempt": 1,
    "model": "s3://cybersec-ml-models/model_isoforest_20261127_192624.pkl",
    "trained_at": STAMP,
    "file": "/var/log/zeek/2026-11-26/conn.00:00:00-01:00:00.log.gz",
    "file_size": 9_876_543,
    "file_sha256": "cd" * 32,
    "what": "anomaly_rate_out_of_band",
    "value": 0.1234,
    "low": 0.001,
    "high": 0.05,
}
TABLES = {
    "events": (tables.EVENT_COLUMNS, "at (UTC)"),
    "a run": (tables.RUN_COLUMNS, "records"),
    "lineage": (tables.LINEAGE_COLUMNS, "uri"),
    "failures": (tables.FAILURE_COLUMNS, "error"),
    "models": (tables.MODEL_COLUMNS, "model"),
    "anomalies": (tables.ANOMALY_COLUMNS, "value"),
}
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=80)


@pytest.fixture
def shown(capsys, monkeypatch):
    """Return a function that shows a table at a width and returns the printed lines."""

    def show(columns, width, **options):
        monkeypatch.setenv("COLUMNS", str(width))
        tables.show("Audit records of 2026-11-26", tables.event_table([ROW] * 3, columns), **options)
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return show


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
@pytest.mark.parametrize(("columns", "kept"), TABLES.values(), ids=TABLES)
def test_each_table_fits(shown, columns, kept, width):
    """No line is wider than the terminal, the main column is shown, and omitted columns are listed."""
    lines = shown(columns, width, keep=(kept,))
    assert max(map(len, lines)) <= width
    if width >= 60:
        assert kept.split()[0] in lines[1]
    named = re.search(r"not shown: (.*) \(--wide shows all\)", " ".join(lines))
    headers = {tables.HEADERS.get(name, name) for name in columns}
    if width == 60:
        assert set(named[1].split(", ")) < headers
    assert "estado" not in " ".join(lines)


@pytest.mark.parametrize(("columns", "kept"), TABLES.values(), ids=TABLES)
def test_wide_shows_all_columns_in_full(shown, columns, kept):
    lines = shown(columns, 40, wide=True, keep=(kept,))
    assert len(lines) == 5
    for name in columns:
        assert tables.HEADERS.get(name, name) in lines[1]
    assert all(str(ROW[name]) in lines[2] for name in columns if isinstance(ROW[name], str))


def test_piped_output_is_not_narrowed(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    tables.show("title", tables.event_table([ROW], tables.LINEAGE_COLUMNS))
    out = capsys.readouterr().out
    assert URI in out
    assert RUN in out
    assert "not shown" not in out


@given(text=texts, width=st.integers(2, 40))
def test_folding_loses_no_character(text, width):
    lines = fold(text, width)
    assert "".join(lines) == text
    assert all(cell_len(line) <= width for line in lines)


@given(
    cells=st.lists(st.tuples(texts, texts, st.integers(0, 10**12), texts), min_size=1, max_size=5),
    width=st.integers(30, 200),
)
def test_any_table_fits(cells, width):
    names = ("asset", "uri", "records", "error")
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    table, left_out = fitted(tables.event_table(rows, names), width)
    lines = [[str(cell).split("\n") for cell in column.cells] for column in table.columns]
    widths = [
        max([*(cell_len(part) for cell in column for part in cell), *(map(cell_len, str(header.header).split("\n")))])
        for column, header in zip(lines, table.columns, strict=True)
    ]
    assert sum(widths) + GAP * (len(widths) - 1) <= width
    assert set(left_out) <= set(names)


@pytest.mark.parametrize("value", ["[/bold] ends nothing", "[red]not red", ":smile:", "\x1b[31mred\x07", "a\nb\tc"])
def test_markup_and_control_characters_are_shown_literally(shown, capsys, value):
    tables.show("title", tables.event_table([ROW | {"error": value}], ["asset", "error"]))
    out = capsys.readouterr().out
    assert ascii(value)[1:-1] in out
    assert "\x1b" not in out
    shown(["asset"], 80)


@pytest.mark.parametrize("width", [60, 80])
def test_metrics_and_provenance_are_wrapped(monkeypatch, width):
    names = ("anomaly_rate", "score_mean", "score_std", "auroc", "average_precision", "precision_at_100")
    metrics = dict.fromkeys(names, 0.5)
    monkeypatch.setenv("COLUMNS", str(width))
    lines = tables.metrics_lines(metrics).splitlines()
    libraries = {f"library{number}": "1.2.3" for number in range(30)}
    lines += tables.provenance_lines({"details": {"trees": 100}, "code_version": "0.1.0", "libraries": libraries})
    assert max(map(len, lines)) <= width
    assert all(name in " ".join(lines) for name in [*names, *libraries])
    assert len(tables.metrics_lines(metrics, wide=True).splitlines()) == 1


REJECTED = {"lines": 1_234, "share": 0.0123, "uri": "s3://cybersec-ml-raw/x.parquet", "sha256": "ab" * 32, "size": 9}
EMPTY_ROW = dict.fromkeys([*tables.EVENT_COLUMNS, *tables.LINEAGE_COLUMNS]) | {
    "asset": "raw/network_events",
    "inputs": [],
}


def columns_of(table):
    """Return a table's cells by the headers of its columns."""
    return {column.header: list(column.cells) for column in table.columns}


@pytest.mark.parametrize("columns", [tables.EVENT_COLUMNS, tables.RUN_COLUMNS, tables.LINEAGE_COLUMNS])
def test_the_number_of_rejected_lines_is_shown(columns):
    rows = tables.with_files([EMPTY_ROW | {"rejected": REJECTED}, EMPTY_ROW])
    assert columns_of(tables.event_table(rows, columns))["rejected"] == ["1,234", ""]


def test_a_column_without_values_is_left_out():
    assert "rejected" not in columns_of(tables.event_table([EMPTY_ROW]))
    assert columns_of(tables.event_table([{"model": "m"}], ["model"])) == {"model": ["m"]}
