"""A day's records, in one pass, into two files: those that parse, and those that do not.

Polars reads the records once and writes both files as they stream by, so memory stays bounded.
"""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from cybersec_assets.errors import DamagedLogError, UnreadableLogError, quoted
from cybersec_assets.flows.apart import StepDiedError, apart
from cybersec_assets.flows.day_logs import DayLogs, Part
from cybersec_assets.flows.readers.base import READING_FAILED, unchanged
from cybersec_assets.flows.schema import ORIGIN, RAW

SHOWN = 5
"""How many damaged lines are shown to a person."""
FULL = os.strerror(errno.ENOSPC)
"""What Polars says, among other things, where the disk is full."""


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


def ingest(logs: DayLogs, kept: Path, rejected: Path) -> Ingested:
    """Write a day's records to Parquet: in the quick way where nothing is wrong with any, else in the thorough one.

    Args:
        logs: The records.
        kept: Where those that parse go, with the columns of RAW.
        rejected: Where the others go, with the columns of ORIGIN.

    Raises:
        UnreadableLogError: A file is damaged as a whole.
        OSError: The disk is full, or the files' copies are gone.
    """
    sunk = [_sink(part, kept.with_name(f"{number}.{kept.name}"), logs) for number, part in enumerate(logs.parts)]
    _join([good for good, _ in sunk], kept)
    damaged = [bad for _, bad in sunk if bad is not None]
    if not damaged:
        return Ingested(_count(kept), 0, pl.DataFrame(schema=ORIGIN))
    _join(damaged, rejected)
    return Ingested(_count(kept), _count(rejected), pl.scan_parquet(rejected).head(SHOWN).collect())


def _sink(part: Part, kept: Path, logs: DayLogs) -> tuple[Path, Path | None]:
    """Write a part's records, and give where they are: those that parse, and if any was suspect, those that do not."""
    if part.quick is not None and _sink_quickly(part.quick(part.files), kept):
        return kept, None
    rejected = kept.with_suffix(".rejected")
    sink = _sink_apart if part.deadly else _sink_thoroughly
    sink(part, kept, rejected, quotes=logs.quotes)
    return kept, rejected


def _join(parts: Sequence[Path], to: Path) -> None:
    """Make one file of some."""
    if len(parts) == 1:
        parts[0].replace(to)
        return
    pl.scan_parquet(list(parts), glob=False).sink_parquet(to)
    for part in parts:
        part.unlink()


def require_share(ingested: Ingested, max_rejected_share: float) -> None:
    """Refuse a day of which too much is damaged.

    Args:
        ingested: What became of its records.
        max_rejected_share: Up to which share of damaged records the day is good, 0 to 1.

    Raises:
        DamagedLogError: More records than allowed do not parse.
    """
    if ingested.rejected_share > max_rejected_share:
        raise _damaged(ingested, max_rejected_share)


def _sink_quickly(records: pl.LazyFrame, kept: Path) -> bool:
    """Write records if there is no fault among them."""
    checked = records.map_batches(_require_clean, schema=RAW, streamable=True)
    try:
        checked.sink_parquet(kept)
    except (*READING_FAILED, OSError, _SuspectError):
        return False
    return True


class _SuspectError(Exception):
    """A record may be at fault."""


def _require_clean(batch: pl.DataFrame) -> pl.DataFrame:
    if batch["suspect"].any():
        raise _SuspectError
    return batch.drop("suspect")


def _sink_apart(part: Part, kept: Path, rejected: Path, *, quotes: bool) -> None:
    """Write a part's records in another process; where that dies, find the file that kills it."""
    try:
        apart(partial(_sink_thoroughly, part, kept, rejected, quotes=quotes))
    except StepDiedError as died:
        for single in part.singles if len(part.files) > 1 else []:
            _sink_apart(single, kept, rejected, quotes=quotes)
        why = f": the process that read it ended with {died}" if quotes else ""
        raise _unreadable(part, why, "; if it is whole, give the run more memory") from None


def _sink_thoroughly(part: Part, kept: Path, rejected: Path, *, quotes: bool) -> None:
    good, records = pl.col("fault").is_null(), _read_once(part.scan(part.files))
    sinks = [
        records.filter(good).select(list(RAW)).sink_parquet(kept, lazy=True),
        records.filter(~good).select(list(ORIGIN)).sink_parquet(rejected, lazy=True),
    ]
    try:
        pl.collect_all(sinks, engine="streaming")
    except READING_FAILED as error:
        if FULL in str(error):
            raise OSError(errno.ENOSPC, FULL, str(kept.parent)) from error
        raise _unreadable(part, f": {error}" if quotes else "") from error


def _unreadable(part: Part, why: str, otherwise: str = "") -> UnreadableLogError:
    named = ", ".join(log.name for log in part.files[:SHOWN])
    which = named if len(part.files) == 1 else f"one of {named}"
    return UnreadableLogError(f"{which} cannot be read{why}", f"Restore the file or take it out{otherwise}")


def _read_once(records: pl.LazyFrame) -> pl.LazyFrame:
    """Keep both sinks on one reading: pushed into it, their filters would make two different ones of it."""
    return records.map_batches(
        unchanged, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False, streamable=True
    )


def _count(file: Path) -> int:
    return int(pl.scan_parquet(file).select(pl.len()).collect().item())


def _damaged(ingested: Ingested, allowed: float) -> DamagedLogError:
    first = ingested.examples.row(0, named=True)
    what = f"{quoted(first['value'])} does not parse" if first["value"] else "is missing or wrong"
    total = ingested.rows + ingested.rejected
    return DamagedLogError(
        f"{first['file']} line {first['line']}: {first['fault']} {what}; {ingested.rejected} of {total} lines "
        f"are damaged ({ingested.rejected_share:.1%}, allowed {allowed:.1%})",
        "Repair or take out the damaged lines, or raise max_rejected_share: in the Launchpad, or with "
        "`cybersec run --max-rejected-share`",
    )
