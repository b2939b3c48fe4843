"""Tables fit the terminal by folding cells and leaving columns out; nothing of what is shown is lost."""

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cybersec_assets.cli import audit_tables as render
from cybersec_assets.cli.tables import GAP, fitted, fold

STAMP = dt.datetime(2026, 11, 27, 19, 26, 24)  # noqa: DTZ001 - as the database has it
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
    "events": (render.EVENT_COLUMNS, "at (UTC)"),
    "a run": (render.RUN_COLUMNS, "records"),
    "lineage": (render.LINEAGE_COLUMNS, "uri"),
    "failures": (render.FAILURE_COLUMNS, "error"),
    "models": (render.MODEL_COLUMNS, "model"),
    "anomalies": (render.ANOMALY_COLUMNS, "value"),
}
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=80)


@pytest.fixture
def shown(capsys, monkeypatch):
    """Show a table on a terminal of some width; give the lines that were printed."""

    def show(columns, width, **options):
        monkeypatch.setenv("COLUMNS", str(width))
        render.show("What the audit says of 2026-11-26", render.event_table([ROW] * 3, columns), **options)
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return show


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
@pytest.mark.parametrize(("columns", "kept"), TABLES.values(), ids=TABLES)
def test_each_table_fits(shown, columns, kept, width):
    """No line is wider than the terminal, what matters most is there, and what is not shown is named."""
    lines = shown(columns, width, keep=(kept,))
    assert max(map(len, lines)) <= width
    if width >= 60:
        assert kept.split()[0] in lines[1]
    named = re.search(r"not shown: (.*) \(--wide shows all\)", " ".join(lines))
    headers = {render.HEADERS.get(name, name) for name in columns}
    if width == 60:
        assert set(named[1].split(", ")) < headers
    assert "estado" not in " ".join(lines)


@pytest.mark.parametrize(("columns", "kept"), TABLES.values(), ids=TABLES)
def test_wide_shows_all(shown, columns, kept):
    """With --wide each column is there and each value in one piece, however narrow the terminal is."""
    lines = shown(columns, 40, wide=True, keep=(kept,))
    assert len(lines) == 5
    for name in columns:
        assert render.HEADERS.get(name, name) in lines[1]
    assert all(str(ROW[name]) in lines[2] for name in columns if isinstance(ROW[name], str))


def test_what_is_piped_is_whole(capsys, monkeypatch):
    """What goes to a program or a file is not narrowed."""
    monkeypatch.delenv("COLUMNS", raising=False)
    render.show("title", render.event_table([ROW], render.LINEAGE_COLUMNS))
    out = capsys.readouterr().out
    assert URI in out
    assert RUN in out
    assert "not shown" not in out


@given(text=texts, width=st.integers(2, 40))
def test_folding_loses_nothing(text, width):
    """A folded text has each of its characters, in lines that are no wider than asked for."""
    lines = fold(text, width)
    assert "".join(lines) == text
    assert all(cell_len(line) <= width for line in lines)


@given(
    cells=st.lists(st.tuples(texts, texts, st.integers(0, 10**12), texts), min_size=1, max_size=5),
    width=st.integers(30, 200),
)
def test_any_table_fits(cells, width):
    """Whatever is in a table, its columns and the gaps between them are no wider than the terminal."""
    names = ("asset", "uri", "records", "error")
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    table, left_out = fitted(render.event_table(rows, names), width)
    lines = [[str(cell).split("\n") for cell in column.cells] for column in table.columns]
    widths = [
        max([*(cell_len(part) for cell in column for part in cell), *(map(cell_len, str(header.header).split("\n")))])
        for column, header in zip(lines, table.columns, strict=True)
    ]
    assert sum(widths) + GAP * (len(widths) - 1) <= width
    assert set(left_out) <= set(names)


@pytest.mark.parametrize("value", ["[/bold] ends nothing", "[red]not red", ":smile:", "\x1b[31mred\x07", "a\nb\tc"])
def test_a_value_is_shown_as_it_is(shown, capsys, value):
    """Brackets are no markup, and what would move the cursor or change colours is escaped."""
    render.show("title", render.event_table([ROW | {"error": value}], ["asset", "error"]))
    out = capsys.readouterr().out
    assert ascii(value)[1:-1] in out
    assert "\x1b" not in out
    shown(["asset"], 80)


@pytest.mark.parametrize("width", [60, 80])
def test_figures_and_versions_are_wrapped(monkeypatch, width):
    """The line of an evaluation's figures, and those of what made a model, fit the terminal as well."""
    names = ("anomaly_rate", "score_mean", "score_std", "auroc", "average_precision", "precision_at_100")
    metrics = dict.fromkeys(names, 0.5)
    monkeypatch.setenv("COLUMNS", str(width))
    lines = render.metrics_line(metrics).splitlines()
    libraries = {f"library{number}": "1.2.3" for number in range(30)}
    lines += render.made_with({"details": {"trees": 100}, "code_version": "0.1.0", "libraries": libraries})
    assert max(map(len, lines)) <= width
    assert all(name in " ".join(lines) for name in [*names, *libraries])
    assert len(render.metrics_line(metrics, wide=True).splitlines()) == 1
