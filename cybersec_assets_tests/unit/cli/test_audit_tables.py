"""Tables for people show what there is, and no column for what there is not."""

import pytest

from cybersec_assets.cli import audit_tables as render

REJECTED = {"lines": 1_234, "share": 0.0123, "uri": "s3://cybersec-ml-raw/x.parquet", "sha256": "ab" * 32, "size": 9}
ROW = dict.fromkeys([*render.EVENT_COLUMNS, *render.LINEAGE_COLUMNS]) | {"asset": "raw/network_events", "inputs": []}


def columns_of(table):
    """Give a table's cells by the headers of its columns."""
    return {column.header: list(column.cells) for column in table.columns}


@pytest.mark.parametrize("columns", [render.EVENT_COLUMNS, render.RUN_COLUMNS, render.LINEAGE_COLUMNS])
def test_rejected_lines_are_counted(columns):
    """Where a row tells of rejected lines their count is shown, and nothing for a row that does not."""
    rows = render.with_files([ROW | {"rejected": REJECTED}, ROW])
    assert columns_of(render.event_table(rows, columns))["rejected"] == ["1,234", ""]


def test_where_nothing_was_rejected_there_is_no_column():
    """Rows without rejected lines, and those of a question that does not ask for them, are shown as they were."""
    assert "rejected" not in columns_of(render.event_table([ROW]))
    assert columns_of(render.event_table([{"model": "m"}], ["model"])) == {"model": ["m"]}
