"""A day's log files, brought into the run's own folder, as one lazy table.

files → the run's own copies → each one's format, by content → one LazyFrame of RAW and ORIGIN
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.columns import Columns
from cybersec_assets.flows.files import SourceFile
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers import AUTO, readers
from cybersec_assets.flows.readers.base import Reader
from cybersec_assets.flows.spool import spool

QUOTED = 40
"""How much of a file's beginning is shown where it is no log."""


@dataclass(frozen=True)
class DayLogs:
    """A day's flows, not yet read.

    Attributes:
        records: The columns of RAW and ORIGIN.
        files: Where they come from; empty for synthetic flows.
        quick: The columns of RAW and a boolean `suspect`, read in a faster way that knows no fault: where a record is
            suspect, or reading ends with an error, only `records` tells. None where a format has no such way.
        quotes: Whether what a log says may be quoted, in errors and in the quarantine.
    """

    records: pl.LazyFrame
    files: Sequence[LogFile]
    quick: pl.LazyFrame | None = None
    quotes: bool = True


@dataclass(frozen=True)
class Reading:
    """How a day's files are read.

    Attributes:
        fmt: A reader's name, or AUTO.
        columns: Which columns of CSV and Parquet are meant.
        quotes: As in `DayLogs`.
    """

    fmt: str
    columns: Columns
    quotes: bool


def read_logs(files: Sequence[SourceFile], folder: Path, how: Reading) -> DayLogs:
    """Bring files into a folder, and tell what they are.

    Args:
        files: The files.
        folder: Where their copies go, which must stay until the flows are read; it is made.
        how: How they are read.

    Raises:
        UnreadableLogError: A file is of no known or of another format, or is damaged as a whole.
    """
    folder.mkdir()
    copies = [spool(file, folder / f"{number}.log") for number, file in enumerate(files)]
    logs = [replace(copy, columns=how.columns) for copy in copies]
    groups = defaultdict[Reader, list[LogFile]](list)
    for log in logs:
        groups[_reader(log, how)].append(log)
    records = [reader.scan(group) for reader, group in groups.items()]
    quick = [reader.quick(group) for reader, group in groups.items() if reader.quick]
    quickly = pl.concat(quick) if len(quick) == len(records) else None
    return DayLogs(pl.concat(records), logs, quickly, how.quotes)


def _reader(log: LogFile, how: Reading) -> Reader:
    if how.fmt != AUTO:
        return readers()[how.fmt]
    asked = [reader for reader in readers().values() if reader.mapped or not log.columns]
    known = [reader for reader in asked if reader.recognises(log)]
    if not known:
        begins = f", it begins with {log.first_lines[0][:QUOTED]!r}" if how.quotes else ""
        raise UnreadableLogError(
            f"{log.name} is no flow log of a known kind{begins}",
            f"Narrow FLOWS_URI, or set FLOWS_FORMAT to one of {', '.join(readers())}",
        )
    return known[0]
