"""Stage a day's log files and plan how to read them: which reader reads which files.

files → staged copies → the format of each, detected by content → parts, each some files of one format
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
from cybersec_assets.flows.staging import StagedLog, is_text, stage
from cybersec_assets.flows.unwrap import unwrapped, wrapper_name
from cybersec_assets.sources.base import SourceFile

AWS_VPC = "aws_vpc"
CSV = "csv"
PARQUET = "parquet"
FILES_AT_ONCE = 50
"""The most files in one part. Each takes memory and time to plan, and a day in a bucket may have thousands."""


@dataclass(frozen=True)
class Part:
    """Some of a day's flows, not yet read.

    Attributes:
        scan: The complete path of a `Reader`.
        fast_scan: The fast path of a `Reader`, or None.
        files: The files of the flows; empty for synthetic flows.
        isolate: Whether reading can crash the process.
    """

    scan: Scan
    fast_scan: Scan | None = None
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
        fmt: The name of a reader, or AUTO.
        columns: The mapping of the columns of CSV and Parquet; None for columns with the raw layer's names.
        quotes: As in `DayLogs`.
    """

    fmt: str
    columns: Columns | None
    quotes: bool


def read_logs(files: Sequence[SourceFile], folder: Path, how: Reading) -> DayLogs:
    """Stage files in a folder, and detect their formats.

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
        log = _without_wrappers(copy, how)
        groups[_reader(log, how)].append(log)
    return DayLogs([part for reader, group in groups.items() for part in _parts(reader, group, how)], how.quotes)


def _parts(reader: Reader, logs: Sequence[StagedLog], how: Reading) -> Iterator[Part]:
    size = len(logs) if reader.together else FILES_AT_ONCE
    for begin in range(0, len(logs), size):
        yield Part(reader.scan_with(how.columns), reader.fast_scan, logs[begin : begin + size], reader.isolate)


def _without_wrappers(log: StagedLog, how: Reading) -> StagedLog:
    if how.columns:
        return log
    candidates = list(readers().values()) if how.fmt == AUTO else [readers()[how.fmt]]

    def is_known(head: StagedLog) -> bool:
        return any(reader.recognises(head) for reader in candidates)

    def is_plain(head: StagedLog) -> bool:
        return any(reader.recognises(head) for reader in candidates if not reader.prefixed)

    return unwrapped(log, json=any(reader.json for reader in candidates), is_plain=is_plain, is_known=is_known)


def _reader(log: StagedLog, how: Reading) -> Reader:
    if how.fmt != AUTO:
        # AWS writes the same records as text and as Parquet.
        is_aws_parquet = how.fmt == AWS_VPC and not is_text(log.head)
        return readers()[PARQUET if is_aws_parquet else how.fmt]
    if how.columns:
        # Any text may be a table to which the mapping applies.
        return readers()[CSV if is_text(log.head) else PARQUET]
    for reader in readers().values():
        if reader.recognises(log):
            return reader
    raise _unknown_format(log, quotes=how.quotes)


def _unknown_format(log: StagedLog, *, quotes: bool) -> UnreadableLogError:
    if mapping := headless_mapping(log):
        return UnreadableLogError(
            f"{log.name} looks like nfdump's CSV without its header, as nfdump -q prints it",
            f"Run nfdump without -q, or set FLOWS_COLUMNS to {mapping}",
        )
    if is_text_output(log):
        return UnreadableLogError(f"{log.name} looks like nfdump's text output", "Run nfdump with -o csv")
    wrapper = wrapper_name(log)
    inside = f"; its lines have a {wrapper} with no flow record of a known format in it" if wrapper else ""
    begins = f", it begins with {quoted(log.first_lines[0])}" if quotes else ""
    return UnreadableLogError(
        f"{log.name} is not a flow log of a known format{begins}{inside}",
        f"Narrow FLOWS_URI, or set FLOWS_FORMAT to one of {', '.join(readers())}",
    )
