"""Copy a day's log files into the run's folder, and return them as lazy tables of some files each.

files → the run's own copies → each one's format, by content → parts, each a LazyFrame of RAW and ORIGIN
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cybersec_assets.errors import UnreadableLogError, quoted
from cybersec_assets.flows.parsing.mapping import Columns
from cybersec_assets.flows.readers import AUTO, readers
from cybersec_assets.flows.readers.base import Reader, Scan
from cybersec_assets.flows.readers.nfdump import headless_mapping, is_text_output
from cybersec_assets.flows.staged_log import StagedLog, is_text
from cybersec_assets.flows.staging import stage
from cybersec_assets.flows.unwrap import unwrapped, wrapper_name
from cybersec_assets.sources.base import SourceFile

AWS_VPC = "aws_vpc"
PARQUET = "parquet"
FILES_AT_ONCE = 50
"""The most files in one table: each takes memory and time to plan, and a day in a bucket may have thousands."""


@dataclass(frozen=True)
class Part:
    """Some of a day's flows, not yet read or planned.

    Attributes:
        scan: Returns the columns of RAW and ORIGIN of some of the files.
        quick: Returns the columns of RAW and a boolean `suspect`. It is faster but finds no faults: where a record is
            suspect, or it raises an error, `scan` must be used. None where a format has no faster way.
        files: The files of the flows; empty for synthetic flows.
        isolate: Whether reading can crash the process.
    """

    scan: Scan
    quick: Scan | None = None
    files: Sequence[StagedLog] = ()
    isolate: bool = False

    @property
    def singles(self) -> "list[Part]":
        """A part for each file."""
        return [replace(self, files=[log]) for log in self.files]


@dataclass(frozen=True)
class DayLogs:
    """A day's flows, not yet read.

    Attributes:
        parts: The flows, in the order of formats and files.
        quotes: Whether errors and the quarantine may quote the logs.
    """

    parts: Sequence[Part]
    quotes: bool = True

    @property
    def files(self) -> list[StagedLog]:
        """The files of the flows; empty for synthetic flows."""
        return [log for part in self.parts for log in part.files]


@dataclass(frozen=True)
class Reading:
    """How a day's files are read.

    Attributes:
        fmt: A reader's name, or AUTO.
        columns: The mapping of the columns of CSV and Parquet; None for columns with the raw layer's names.
        quotes: As in `DayLogs`.
    """

    fmt: str
    columns: Columns | None
    quotes: bool


def read_logs(files: Sequence[SourceFile], folder: Path, how: Reading) -> DayLogs:
    """Copy files into a folder, and detect their formats.

    Args:
        files: The files.
        folder: The folder for the copies. It is created, and must exist until the flows are read.
        how: How the files are read.

    Raises:
        UnreadableLogError: A file has an unknown or another format, or is damaged as a whole.
    """
    folder.mkdir()
    copies = [stage(file, folder / f"{number}.log") for number, file in enumerate(files)]
    groups = defaultdict[Reader, list[StagedLog]](list)
    for copy in copies:
        log = _plain(replace(copy, columns=how.columns), how)
        groups[_reader(log, how)].append(log)
    return DayLogs([part for reader, group in groups.items() for part in _parts(reader, group)], how.quotes)


def _parts(reader: Reader, logs: Sequence[StagedLog]) -> Iterator[Part]:
    size = len(logs) if reader.together else FILES_AT_ONCE
    for begin in range(0, len(logs), size):
        some = logs[begin : begin + size]
        yield Part(reader.scan, reader.quick, some, reader.isolate)


def _plain(log: StagedLog, how: Reading) -> StagedLog:
    """Return a log without the wrappers of its records."""
    asked = list(readers().values()) if how.fmt == AUTO else [readers()[how.fmt]]

    def is_known(head: StagedLog) -> bool:
        return any(reader.recognises(head) for reader in asked)

    def is_plain(head: StagedLog) -> bool:
        return any(reader.recognises(head) for reader in asked if not reader.prefixed)

    return unwrapped(log, json=any(reader.json for reader in asked), is_plain=is_plain, is_known=is_known)


def _reader(log: StagedLog, how: Reading) -> Reader:
    if how.fmt != AUTO:
        # AWS writes the same records as text and as Parquet.
        is_aws_parquet = how.fmt == AWS_VPC and not is_text(log.head)
        return readers()[PARQUET if is_aws_parquet else how.fmt]
    asked = [reader for reader in readers().values() if reader.mapped or not log.columns]
    known = [reader for reader in asked if reader.recognises(log)]
    if not known and (mapping := headless_mapping(log)):
        raise UnreadableLogError(
            f"{log.name} looks like nfdump's CSV without its header, as nfdump -q prints it",
            f"Run nfdump without -q, or set FLOWS_COLUMNS to {mapping}",
        )
    if not known and is_text_output(log):
        raise UnreadableLogError(f"{log.name} looks like nfdump's text output", "Run nfdump with -o csv")
    if not known:
        wrapper = wrapper_name(log)
        behind = f"; its lines have a {wrapper} with no flow record of a known kind in it" if wrapper else ""
        begins = f", it begins with {quoted(log.first_lines[0])}" if how.quotes else ""
        raise UnreadableLogError(
            f"{log.name} is no flow log of a known kind{begins}{behind}",
            f"Narrow FLOWS_URI, or set FLOWS_FORMAT to one of {', '.join(readers())}",
        )
    return known[0]
