"""Write a day's records to two files in one pass: those that parse, and those that do not.

Polars reads the records once and streams them into both files, so memory stays bounded. Every line of the logs is
kept, rejected, or counted as another kind of line. The sum of these numbers must be the number of lines read.
"""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import polars as pl

from cybersec_assets.errors import DamagedLogError, LostLinesError, NoFlowLogsError, UnreadableLogError, quoted
from cybersec_assets.flows.isolation import StepDiedError, isolate
from cybersec_assets.flows.line_counts import BLANK, COMMENT, HEADER, LineCounts
from cybersec_assets.flows.parsing.records import unchanged
from cybersec_assets.flows.plan import DayLogs, Part
from cybersec_assets.flows.readers.base import READING_FAILED, Scan
from cybersec_assets.flows.schema import ORIGIN, RAW_SCHEMA
from cybersec_assets.flows.staging import MAX_LINE_BYTES, StagedLog

FRAME = {BLANK, COMMENT, HEADER}
"""Lines that every log may have. A day with nothing else is a day without traffic."""
TOO_LONG = "line length"
"""The `fault` of a truncated line."""
MAX_LISTED = 5
"""The most items that an error message or `examples` lists."""
MAX_LABELS_LISTED = 20
"""The most unknown labels that are listed."""
DISK_FULL = os.strerror(errno.ENOSPC)
"""Part of the message with which Polars reports a full disk."""


@dataclass(frozen=True)
class Ingested:
    """What became of a day's lines. For Parquet and synthetic flows, a row counts as a line.

    Attributes:
        rows: The number of records that parse.
        rejected: The number of lines that do not parse.
        examples: The first rejected records: columns `file`, `line`, `fault`, `value`.
        lines: The number of lines read; `kept`, `rejected` and `others` add up to it.
        joined: The number of kept lines beyond the first of a record.
        others: The number of lines that are neither kept nor rejected, by kind, most frequent first.
        unlabelled: The number of records that parse and have a label without a known word.
        unknown_labels: The most frequent of these labels, with the number of records that have them.
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
    """Write a day's records to Parquet.

    Each part is read with the fast path of its reader. Where that reports a suspect row or fails, the part is read
    again with the complete path.

    Args:
        logs: The records.
        kept: The file for those that parse, with the columns of RAW_SCHEMA.
        rejected: The file for the others, with the columns of ORIGIN. It is written only if there are any.

    Raises:
        UnreadableLogError: A file is damaged as a whole.
        OSError: The disk is full, or the staged files are missing.
    """
    results = [
        _ingest_part(part, kept.with_name(f"{number}.{kept.name}"), logs) for number, part in enumerate(logs.parts)
    ]
    total = LineCounts()
    for result in results:
        total.merge(result.line_counts)
    _concatenate([result.kept for result in results], kept)
    damaged = [result.rejected for result in results if result.rejected is not None]
    examples = pl.DataFrame(schema=ORIGIN)
    rejected_records = 0
    if damaged:
        _concatenate(damaged, rejected)
        examples = pl.scan_parquet(rejected).head(MAX_LISTED).collect()
        rejected_records = _count(rejected)
    labels = sorted(total.labels.items(), key=lambda item: (-item[1], item[0]))
    return Ingested(
        rows=_count(kept),
        rejected=rejected_records,
        examples=examples,
        lines=sum(result.lines for result in results),
        joined=total.joined,
        others=total.names(),
        unlabelled=total.unlabelled,
        unknown_labels=dict(labels[:MAX_LABELS_LISTED]),
    )


@dataclass(frozen=True)
class _PartResult:
    """What became of a part's lines.

    Attributes:
        kept: The file of the records that parse.
        rejected: The file of the others; None after the fast path, which has none.
        lines: The number of lines read.
        line_counts: Counts of the lines that are in neither file.
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


def _ingest_part(part: Part, kept: Path, logs: DayLogs) -> _PartResult:
    """Write a part's records, and require that each of its lines is accounted for."""
    is_whole = not any(log.cut for log in part.files)
    if is_whole and part.fast_scan is not None and (files := _sink_fast(part, part.fast_scan, kept)):
        result = _part_result(kept, None, files)
        if result.accounted == result.lines:
            return result
    rejected = kept.with_suffix(".rejected")
    sink = _sink_isolated if part.isolate else _sink
    result = _part_result(kept, rejected, sink(part, kept, rejected, quotes=logs.quotes))
    if result.accounted != result.lines:
        raise LostLinesError(_names(part), result.lines, result.accounted)
    return result


def _part_result(kept: Path, rejected: Path | None, files: Sequence[StagedLog]) -> _PartResult:
    line_counts = LineCounts()
    for log in files:
        line_counts.merge(log.line_counts)
    lines = sum(log.line_counts.rows if log.lines is None else log.lines for log in files) if files else _count(kept)
    return _PartResult(kept, rejected, lines, line_counts)


def _uncounted(part: Part) -> list[StagedLog]:
    """Return a part's files with fresh counts, so that a discarded reading does not count."""
    return [replace(log, line_counts=LineCounts()) for log in part.files]


def _concatenate(parts: Sequence[Path], to: Path) -> None:
    """Move the rows of some Parquet files into one."""
    if len(parts) == 1:
        parts[0].replace(to)
        return
    pl.scan_parquet(list(parts), glob=False).sink_parquet(to)
    for part in parts:
        part.unlink()


def require_share(ingested: Ingested, max_rejected_share: float, given_format: str | None = None) -> None:
    """Reject a day with too many damaged records.

    Args:
        ingested: What became of the day's records.
        max_rejected_share: The largest share of damaged records that is allowed, 0 to 1.
        given_format: The format that FLOWS_FORMAT names; None where it was detected.

    Raises:
        DamagedLogError: More records than allowed do not parse.
    """
    if ingested.rejected_share > max_rejected_share:
        raise _damaged(ingested, max_rejected_share, given_format)


def require_flows(ingested: Ingested) -> None:
    """Reject a day whose lines are all of other kinds than flows.

    Raises:
        NoFlowLogsError: There are lines, but none is a flow or damaged.
    """
    events = {name: lines for name, lines in ingested.others.items() if name not in FRAME}
    if events and not ingested.rows and not ingested.rejected:
        listed = [f"{lines:,} {name}" for name, lines in list(events.items())[:MAX_LISTED]]
        more = f" and {len(events) - MAX_LISTED} other kinds" if len(events) > MAX_LISTED else ""
        raise NoFlowLogsError(
            f"none of the {ingested.lines:,} lines is a flow ({', '.join(listed)}{more})",
            "Point FLOWS_URI at the sensor's flow log (Zeek's conn, Suricata's events of type flow)",
        )


def _sink_fast(part: Part, fast_scan: Scan, kept: Path) -> list[StagedLog] | None:
    """Write records and return the files with their counts; return None if the part needs the complete path."""
    files = _uncounted(part)
    checked = fast_scan(files).map_batches(_require_clean, schema=RAW_SCHEMA, streamable=True)
    try:
        checked.sink_parquet(kept)
    except (*READING_FAILED, OSError, _SuspectError):
        return None
    return files


class _SuspectError(Exception):
    """A row may have an error."""


def _require_clean(batch: pl.DataFrame) -> pl.DataFrame:
    if batch["suspect"].any():
        raise _SuspectError
    return batch.drop("suspect")


def _sink_isolated(part: Part, kept: Path, rejected: Path, *, quotes: bool) -> list[StagedLog]:
    """Write a part's records in another process. If that crashes, find the file that causes it."""
    try:
        return isolate(partial(_sink, part, kept, rejected, quotes=quotes))
    except StepDiedError as died:
        for single in part.singles if len(part.files) > 1 else []:
            _sink_isolated(single, kept, rejected, quotes=quotes)
        why = f": the process that read it ended with {died}" if quotes else ""
        raise _unreadable(part, why, "; if it is not damaged, give the run more memory") from None


def _sink(part: Part, kept: Path, rejected: Path, *, quotes: bool) -> list[StagedLog]:
    """Write a part's records with the complete path, and return the files with their counts."""
    files = _uncounted(part)
    good = pl.col("fault").is_null()
    records = _without_cut(part.scan(files), files)
    records = _read_once(records, files[0].line_counts.count_labels if files else unchanged)
    sinks = [
        records.filter(good).select(list(RAW_SCHEMA)).sink_parquet(kept, lazy=True),
        records.filter(~good).select(list(ORIGIN)).sink_parquet(rejected, lazy=True),
    ]
    try:
        pl.collect_all(sinks, engine="streaming")
    except READING_FAILED as error:
        if DISK_FULL in str(error):
            raise OSError(errno.ENOSPC, DISK_FULL, str(kept.parent)) from error
        raise _unreadable(part, f": {error}" if quotes else "") from error
    return files


def _without_cut(records: pl.LazyFrame, files: Sequence[StagedLog]) -> pl.LazyFrame:
    """Mark each truncated line as damaged, even if its beginning parses."""
    cut = [(pl.col("file") == log.name) & pl.col("line").is_in(list(log.cut)) for log in files if log.cut]
    if not cut:
        return records
    is_cut = pl.any_horizontal(cut)
    fault = pl.when(is_cut).then(pl.lit(TOO_LONG)).otherwise("fault")
    return records.with_columns(fault=fault, value=pl.when(is_cut).then(pl.lit("")).otherwise("value"))


def _unreadable(part: Part, why: str, otherwise: str = "") -> UnreadableLogError:
    which = _names(part) if len(part.files) == 1 else f"one of {_names(part)}"
    return UnreadableLogError(f"{which} cannot be read{why}", f"Restore the file or remove it{otherwise}")


def _names(part: Part) -> str:
    return ", ".join(log.name for log in part.files[:MAX_LISTED])


def _read_once(records: pl.LazyFrame, inspect: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.LazyFrame:
    """Make both sinks share one reading: if Polars pushed their filters down, it would read the records twice.

    Args:
        records: The records.
        inspect: Called with each batch, which it returns.
    """
    return records.map_batches(
        inspect, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False, streamable=True
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
        "Repair or remove the damaged lines, or raise max_rejected_share: in the Launchpad, or with "
        "`cybersec run --max-rejected-share`"
    )
    if given_format is not None and not ingested.rows:
        remedy = f"Check FLOWS_FORMAT={given_format} first: the log may be of another format. {remedy}"
    return DamagedLogError(
        f"{first['file']} line {first['line']}: {first['fault']} {what}; {ingested.rejected} of {total} lines "
        f"are damaged ({ingested.rejected_share:.1%}, allowed {allowed:.1%})",
        remedy,
    )
