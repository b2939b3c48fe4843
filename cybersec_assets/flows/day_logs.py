"""A day's log files, brought into the run's own folder, as lazy tables of some files each.

files → the run's own copies → each one's format, by content → parts, each a LazyFrame of RAW and ORIGIN
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cybersec_assets.errors import UnreadableLogError, quoted
from cybersec_assets.flows.files import SourceFile
from cybersec_assets.flows.logfile import LogFile, is_text
from cybersec_assets.flows.parsing.columns import Columns
from cybersec_assets.flows.readers import AUTO, readers
from cybersec_assets.flows.readers.base import Reader, Scan
from cybersec_assets.flows.readers.nfdump import headless_mapping
from cybersec_assets.flows.spool import spool
from cybersec_assets.flows.unwrap import unwrapped, wrapper_name
from cybersec_assets.redaction import contains_secret

AWS_VPC = "aws_vpc"
PARQUET = "parquet"
FILES_AT_ONCE = 50
"""How many files are one table: each takes memory and time to plan, and a day in a bucket may have thousands."""


@dataclass(frozen=True)
class Part:
    """Some of a day's flows, not yet read; nothing is planned before it is asked for.

    Attributes:
        scan: Gives the columns of RAW and ORIGIN of some of the files.
        quick: Gives the columns of RAW and a boolean `suspect`, read in a faster way that knows no fault: where a
            record is suspect, or reading ends with an error, only `scan` tells. None where a format has no such way.
        files: Where they come from; empty for synthetic flows.
        deadly: Whether reading may end the process that reads.
    """

    scan: Scan
    quick: Scan | None = None
    files: Sequence[LogFile] = ()
    deadly: bool = False

    @property
    def singles(self) -> "list[Part]":
        """Each file by itself."""
        return [replace(self, files=[log]) for log in self.files]


@dataclass(frozen=True)
class DayLogs:
    """A day's flows, not yet read.

    Attributes:
        parts: All of them, in the order of formats and files.
        quotes: Whether what a log says may be quoted, in errors and in the quarantine.
    """

    parts: Sequence[Part]
    quotes: bool = True

    @property
    def files(self) -> list[LogFile]:
        """Where they come from; empty for synthetic flows."""
        return [log for part in self.parts for log in part.files]


@dataclass(frozen=True)
class Reading:
    """How a day's files are read.

    Attributes:
        fmt: A reader's name, or AUTO.
        columns: Which columns of CSV and Parquet are meant; None for those with the raw layer's names.
        quotes: As in `DayLogs`.
    """

    fmt: str
    columns: Columns | None
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
    groups = defaultdict[Reader, list[LogFile]](list)
    for copy in copies:
        _require_no_secret(copy)
        log = _plain(replace(copy, columns=how.columns), how)
        _require_no_secret(log)
        groups[_reader(log, how)].append(log)
    return DayLogs([part for reader, group in groups.items() for part in _parts(reader, group)], how.quotes)


def _require_no_secret(log: LogFile) -> None:
    if contains_secret(log.head):
        raise UnreadableLogError(
            f"{log.name} holds a secret of the environment, so it is not read as a log", "Narrow FLOWS_URI"
        )


def _parts(reader: Reader, logs: Sequence[LogFile]) -> Iterator[Part]:
    size = len(logs) if reader.together else FILES_AT_ONCE
    for begin in range(0, len(logs), size):
        some = logs[begin : begin + size]
        yield Part(reader.scan, reader.quick, some, reader.deadly)


def _plain(log: LogFile, how: Reading) -> LogFile:
    """Return a log whose records are out of their wrappers."""
    asked = list(readers().values()) if how.fmt == AUTO else [readers()[how.fmt]]

    def is_known(head: LogFile) -> bool:
        return any(reader.recognises(head) for reader in asked)

    def is_plain(head: LogFile) -> bool:
        return any(reader.recognises(head) for reader in asked if not reader.prefixed)

    return unwrapped(log, json=any(reader.json for reader in asked), is_plain=is_plain, is_known=is_known)


def _reader(log: LogFile, how: Reading) -> Reader:
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
    if not known:
        wrapper = wrapper_name(log)
        behind = f"; its lines have a {wrapper} with no flow record of a known kind in it" if wrapper else ""
        begins = f", it begins with {quoted(log.first_lines[0])}" if how.quotes else ""
        raise UnreadableLogError(
            f"{log.name} is no flow log of a known kind{begins}{behind}",
            f"Narrow FLOWS_URI, or set FLOWS_FORMAT to one of {', '.join(readers())}",
        )
    return known[0]
