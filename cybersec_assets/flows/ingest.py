"""A day's records, in one pass, into two files: those that parse, and those that do not.

Polars reads the records once and writes both files as they stream by, so memory stays bounded. Every line of the logs
is kept, rejected, or counted as another kind of line. That these numbers add up to the lines read is required.
"""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import polars as pl

from cybersec_assets.errors import DamagedLogError, LostLinesError, NoFlowLogsError, UnreadableLogError, quoted
from cybersec_assets.flows.isolation import StepDiedError, apart
from cybersec_assets.flows.line_counts import BLANK, COMMENT, HEADER, LineCounts
from cybersec_assets.flows.parsing.records import unchanged
from cybersec_assets.flows.plan import DayLogs, Part
from cybersec_assets.flows.readers.base import READING_FAILED, Scan
from cybersec_assets.flows.schema import ORIGIN, RAW
from cybersec_assets.flows.staged_log import StagedLog
from cybersec_assets.flows.staging import MAX_LINE_BYTES

FRAME = {BLANK, COMMENT, HEADER}
"""Lines that every log may have, so that a day of nothing else is a day without traffic."""
TOO_LONG = "line length"
"""The fault of a line that is cut."""
SHOWN = 5
"""How many damaged lines are shown to a person."""
LABELS_SHOWN = 20
"""How many unknown labels are listed."""
FULL = os.strerror(errno.ENOSPC)
"""What Polars says, among other things, where the disk is full."""


@dataclass(frozen=True)
class Ingested:
    """What became of a day's lines. For Parquet and synthetic flows, a row is a line.

    Attributes:
        rows: The number of records that parse.
        rejected: The number of lines that do not.
        examples: The first of those: columns `file`, `line`, `fault`, `value`.
        lines: The number of lines read; `kept`, `rejected` and `others` add up to it.
        joined: The number of kept lines beyond the first of a record.
        others: The number of lines that are neither kept nor rejected, by what they are, most frequent first.
        unlabelled: The number of records that parse and have a label whose words are unknown.
        unknown_labels: The most frequent of these labels, with how many records have them.
    """

    rows: int
    rejected: int
    examples: pl.DataFrame
    lines: int = 0
    joined: int = 0
    others: Mapping[str, int] = field(default_factory=dict)
    unlabelled: int = 0
    unknown_labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """The number of lines that became records."""
        return self.rows + self.joined

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
    total = LineCounts()
    for part in sunk:
        total.merge(part.line_counts)
    _join([part.kept for part in sunk], kept)
    rows = _count(kept)
    damaged = [part.rejected for part in sunk if part.rejected is not None]
    examples = pl.DataFrame(schema=ORIGIN)
    count = 0
    if damaged:
        _join(damaged, rejected)
        examples = pl.scan_parquet(rejected).head(SHOWN).collect()
        count = _count(rejected)
    return Ingested(
        rows=rows,
        rejected=count,
        examples=examples,
        lines=sum(part.lines for part in sunk),
        joined=total.joined,
        others=total.names(),
        unlabelled=total.unlabelled,
        unknown_labels=dict(sorted(total.labels.items(), key=lambda item: (-item[1], item[0]))[:LABELS_SHOWN]),
    )


@dataclass(frozen=True)
class _Sunk:
    """What became of a part's lines.

    Attributes:
        kept: Where the records are that parse.
        rejected: Where the others are, None where no record was suspect.
        lines: The number of lines read.
        line_counts: Counts of the lines that are not in either file.
    """

    kept: Path
    rejected: Path | None
    lines: int
    line_counts: LineCounts

    @property
    def accounted(self) -> int:
        """The number of lines that are kept, rejected, or of another kind."""
        rejected = 0 if self.rejected is None else _count(self.rejected)
        return _count(self.kept) + rejected + self.line_counts.total


def _sink(part: Part, kept: Path, logs: DayLogs) -> _Sunk:
    """Write a part's records, and account for all of its lines."""
    is_whole = not any(log.cut for log in part.files)
    if is_whole and part.quick is not None and (files := _sink_quickly(part, part.quick, kept)):
        sunk = _account(kept, None, files)
        if sunk.accounted == sunk.lines:
            return sunk
    rejected = kept.with_suffix(".rejected")
    sink = _sink_apart if part.isolate else _sink_thoroughly
    sunk = _account(kept, rejected, sink(part, kept, rejected, quotes=logs.quotes))
    if sunk.accounted != sunk.lines:
        raise LostLinesError(_named(part), sunk.lines, sunk.accounted)
    return sunk


def _account(kept: Path, rejected: Path | None, files: Sequence[StagedLog]) -> _Sunk:
    line_counts = LineCounts()
    for log in files:
        line_counts.merge(log.line_counts)
    lines = sum(log.line_counts.rows if log.lines is None else log.lines for log in files) if files else _count(kept)
    return _Sunk(kept, rejected, lines, line_counts)


def _uncounted(part: Part) -> list[StagedLog]:
    """Return a part's files with nothing counted yet: what was read in vain does not count."""
    return [replace(log, line_counts=LineCounts()) for log in part.files]


def _join(parts: Sequence[Path], to: Path) -> None:
    """Make one file of some."""
    if len(parts) == 1:
        parts[0].replace(to)
        return
    pl.scan_parquet(list(parts), glob=False).sink_parquet(to)
    for part in parts:
        part.unlink()


def require_share(ingested: Ingested, max_rejected_share: float, given_format: str | None = None) -> None:
    """Refuse a day of which too much is damaged.

    Args:
        ingested: What became of its records.
        max_rejected_share: Up to which share of damaged records the day is good, 0 to 1.
        given_format: The format that FLOWS_FORMAT names, None where it was recognized.

    Raises:
        DamagedLogError: More records than allowed do not parse.
    """
    if ingested.rejected_share > max_rejected_share:
        raise _damaged(ingested, max_rejected_share, given_format)


def require_flows(ingested: Ingested) -> None:
    """Refuse a day whose lines are all of another kind.

    Args:
        ingested: What became of its lines.

    Raises:
        NoFlowLogsError: There are lines, and none is a flow or a damaged one.
    """
    events = {name: lines for name, lines in ingested.others.items() if name not in FRAME}
    if events and not ingested.rows and not ingested.rejected:
        shown = [f"{lines:,} of {name}" for name, lines in list(events.items())[:SHOWN]]
        more = f" and {len(events) - SHOWN} other kinds" if len(events) > SHOWN else ""
        raise NoFlowLogsError(
            f"none of the {ingested.lines:,} lines is a flow: they are {', '.join(shown)}{more}",
            "Point FLOWS_URI at the sensor's flow log (Zeek's conn, Suricata's events of type flow)",
        )


def _sink_quickly(part: Part, quick: Scan, kept: Path) -> list[StagedLog] | None:
    """Write records if there is no fault among them, and return the files with their counts, else None."""
    files = _uncounted(part)
    checked = quick(files).map_batches(_require_clean, schema=RAW, streamable=True)
    try:
        checked.sink_parquet(kept)
    except (*READING_FAILED, OSError, _SuspectError):
        return None
    return files


class _SuspectError(Exception):
    """A record may be at fault."""


def _require_clean(batch: pl.DataFrame) -> pl.DataFrame:
    if batch["suspect"].any():
        raise _SuspectError
    return batch.drop("suspect")


def _sink_apart(part: Part, kept: Path, rejected: Path, *, quotes: bool) -> list[StagedLog]:
    """Write a part's records in another process; where that dies, find the file that kills it."""
    try:
        return apart(partial(_sink_thoroughly, part, kept, rejected, quotes=quotes))
    except StepDiedError as died:
        for single in part.singles if len(part.files) > 1 else []:
            _sink_apart(single, kept, rejected, quotes=quotes)
        why = f": the process that read it ended with {died}" if quotes else ""
        raise _unreadable(part, why, "; if it is whole, give the run more memory") from None


def _sink_thoroughly(part: Part, kept: Path, rejected: Path, *, quotes: bool) -> list[StagedLog]:
    files = _uncounted(part)
    good = pl.col("fault").is_null()
    records = _without_cut(part.scan(files), files)
    records = _read_once(records, files[0].line_counts.count_labels if files else unchanged)
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
    return files


def _without_cut(records: pl.LazyFrame, files: Sequence[StagedLog]) -> pl.LazyFrame:
    """Make a damaged record of each line that is cut: its beginning may parse."""
    cut = [(pl.col("file") == log.name) & pl.col("line").is_in(list(log.cut)) for log in files if log.cut]
    if not cut:
        return records
    is_cut = pl.any_horizontal(cut)
    fault = pl.when(is_cut).then(pl.lit(TOO_LONG)).otherwise("fault")
    return records.with_columns(fault=fault, value=pl.when(is_cut).then(pl.lit("")).otherwise("value"))


def _unreadable(part: Part, why: str, otherwise: str = "") -> UnreadableLogError:
    which = _named(part) if len(part.files) == 1 else f"one of {_named(part)}"
    return UnreadableLogError(f"{which} cannot be read{why}", f"Restore the file or take it out{otherwise}")


def _named(part: Part) -> str:
    return ", ".join(log.name for log in part.files[:SHOWN])


def _read_once(records: pl.LazyFrame, look: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.LazyFrame:
    """Keep both sinks on one reading: pushed into it, their filters would make two different ones of it.

    Args:
        records: The records.
        look: Called with each batch, which it returns.
    """
    return records.map_batches(
        look, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False, streamable=True
    )


def _count(file: Path) -> int:
    return int(pl.scan_parquet(file).select(pl.len()).collect().item())


def _damaged(ingested: Ingested, allowed: float, given_format: str | None) -> DamagedLogError:
    first = ingested.examples.row(0, named=True)
    what = f"{quoted(first['value'])} does not parse" if first["value"] else "is missing or wrong"
    if first["fault"] == TOO_LONG:
        what = f"is over {MAX_LINE_BYTES:,} bytes"
    total = ingested.rows + ingested.rejected
    remedy = (
        "Repair or take out the damaged lines, or raise max_rejected_share: in the Launchpad, or with "
        "`cybersec run --max-rejected-share`"
    )
    if given_format is not None and not ingested.rows:
        remedy = f"Check FLOWS_FORMAT={given_format} first: the log may be of another format. {remedy}"
    return DamagedLogError(
        f"{first['file']} line {first['line']}: {first['fault']} {what}; {ingested.rejected} of {total} lines "
        f"are damaged ({ingested.rejected_share:.1%}, allowed {allowed:.1%})",
        remedy,
    )
