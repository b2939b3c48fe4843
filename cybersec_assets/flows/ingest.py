"""A day's records, in one pass, into two files: those that parse, and those that do not.

Polars reads the records once and writes both files as they stream by, so memory stays bounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cybersec_assets.errors import DamagedLogError, UnreadableLogError
from cybersec_assets.flows.logfile import check_gzip, is_gzip
from cybersec_assets.flows.schema import ORIGIN, RAW
from cybersec_assets.flows.source import DayLogs

SHOWN = 5
"""How many damaged lines are shown to a person."""


@dataclass(frozen=True)
class Ingested:
    """What became of a day's records.

    Attributes:
        rows: How many parsed.
        rejected: How many did not.
        examples: The first of those: columns `file`, `line`, `fault`, `value`.
    """

    rows: int
    rejected: int
    examples: pl.DataFrame

    @property
    def rejected_share(self) -> float:
        """The share of records that did not parse, 0 to 1."""
        return self.rejected / max(self.rows + self.rejected, 1)


def ingest(logs: DayLogs, kept: Path, rejected: Path, *, max_rejected_share: float = 0.01) -> Ingested:
    """Write a day's records to Parquet.

    Args:
        logs: The records.
        kept: Where those that parse go, with the columns of RAW.
        rejected: Where the others go, with the columns of ORIGIN.
        max_rejected_share: Up to which share of damaged records the day is good, 0 to 1.

    Raises:
        UnreadableLogError: A file is damaged as a whole.
        DamagedLogError: More records than allowed do not parse.
    """
    good, records = pl.col("fault").is_null(), _read_once(logs.records)
    sinks = [
        records.filter(good).select(list(RAW)).sink_parquet(kept, lazy=True),
        records.filter(~good).select(list(ORIGIN)).sink_parquet(rejected, lazy=True),
    ]
    try:
        pl.collect_all(sinks, engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _explain(error, logs.files) from error
    ingested = Ingested(_count(kept), _count(rejected), pl.scan_parquet(rejected).head(SHOWN).collect())
    if ingested.rejected_share > max_rejected_share:
        raise _damaged(ingested, max_rejected_share)
    return ingested


def _read_once(records: pl.LazyFrame) -> pl.LazyFrame:
    """Keep both sinks on one reading: pushed into it, their filters would make two different ones of it."""
    return records.map_batches(
        _unchanged, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False, streamable=True
    )


def _unchanged(batch: pl.DataFrame) -> pl.DataFrame:
    return batch


def _count(file: Path) -> int:
    return int(pl.scan_parquet(file).select(pl.len()).collect().item())


def _damaged(ingested: Ingested, allowed: float) -> DamagedLogError:
    first = ingested.examples.row(0, named=True)
    what = f"{first['value']!r} does not parse" if first["value"] else "is missing or wrong"
    total = ingested.rows + ingested.rejected
    return DamagedLogError(
        f"{first['file']} line {first['line']}: {first['fault']} {what}; {ingested.rejected} of {total} lines "
        f"are damaged ({ingested.rejected_share:.1%}, allowed {allowed:.1%})",
        "Repair or take out the damaged lines, or raise max_rejected_share in the Launchpad",
    )


def _explain(error: Exception, files: Sequence[Path]) -> Exception:
    """Find the file that Polars stumbled over, which its own message does not name."""
    for path in files:
        if path.is_file() and is_gzip(path):
            try:
                check_gzip(path)
            except UnreadableLogError as found:
                return found
    named = ", ".join(str(path) for path in files[:SHOWN])
    return UnreadableLogError(f"one of {named} cannot be read: {error}", "Restore the file or take it out")
