"""The metadata of a materialization in the UI: size, schema, a preview and a plot."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from cybersec_assets.redaction import redact

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PREVIEW_ROWS = 5
HOURS = 24
BINS = 60


def describe_table(file: Path, columns: list[str] | None = None) -> dict[str, Any]:
    """Return a Parquet file's row count and schema, and a preview of some of its columns (default: all)."""
    table = pl.scan_parquet(file)
    schema = [dg.TableColumn(name, str(dtype)) for name, dtype in table.collect_schema().items()]
    preview = table.select(columns or pl.all()).head(PREVIEW_ROWS).collect()
    return {
        "dagster/partition_row_count": int(table.select(pl.len()).collect().item()),
        "dagster/column_schema": dg.TableSchema(columns=schema),
        "preview": dg.MetadataValue.md(to_markdown(preview)),
    }


def to_markdown(table: pl.DataFrame) -> str:
    """Return a small table as Markdown, without secrets."""
    # Redacted before Polars truncates long cells, which would leave parts of a secret.
    table = table.with_columns(pl.col(pl.String).map_elements(redact, return_dtype=pl.String))
    with pl.Config(tbl_formatting="ASCII_MARKDOWN", tbl_hide_column_data_types=True, tbl_cols=-1, tbl_width_chars=1000):
        return str(table).partition("\n")[2]


def volume_per_hour(raw: Path) -> dg.MarkdownMetadataValue:
    """Plot the bytes of the flows that began in each hour of the day."""
    hour = pl.col("timestamp").dt.hour().alias("hour")
    volumes = pl.scan_parquet(raw).group_by(hour).agg(pl.col("bytes").sum()).collect(engine="streaming")
    by_hour = dict(volumes.iter_rows())

    def draw(axes: "Axes") -> None:
        axes.bar(range(HOURS), [by_hour.get(hour, 0) / 1e6 for hour in range(HOURS)])
        axes.set(xlabel="hour (UTC)", ylabel="volume (MB)", title="Volume per hour")

    return _picture(draw)


def score_histogram(scored: Path, threshold: float) -> dg.MarkdownMetadataValue:
    """Plot the distribution of the day's scores, and the threshold of an anomaly."""
    edge = (pl.col("anomaly_score") * BINS).floor().cast(pl.Int32).alias("bin")
    counts = dict(pl.scan_parquet(scored).group_by(edge).len().collect(engine="streaming").iter_rows())

    def draw(axes: "Axes") -> None:
        axes.bar([(b + 0.5) / BINS for b in counts], list(counts.values()), width=1 / BINS)
        axes.axvline(threshold, color="red", linestyle="--", label="anomalous to the right")
        axes.set(xlabel="anomaly score", ylabel="flows", yscale="log", title="Scores of the day")
        axes.legend()

    return _picture(draw)


def _picture(draw: Any) -> dg.MarkdownMetadataValue:
    """Render a plot into Markdown, which is stored in the event and needs no file."""
    # matplotlib takes a second to import; `pyplot` would keep every figure alive.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    draw(figure.subplots())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{encoded})")
