"""Which files hold a day's flows, and their records as one lazy table.

FLOWS_URI → files of the day → the run's own copies → each one's format, by content → one LazyFrame of RAW and ORIGIN
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from cybersec_assets.errors import NoFlowLogsError, SettingsError, UnreadableLogError
from cybersec_assets.flows.columns import Columns, parse_columns
from cybersec_assets.flows.fields import require_constants
from cybersec_assets.flows.files import SourceFile, local_files
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers import readers
from cybersec_assets.flows.readers.base import Reader
from cybersec_assets.flows.spool import spool
from cybersec_assets.flows.synthetic import synthetic_flows

AUTO = "auto"
SYNTHETIC = "synthetic"
Find = Callable[[str], list[SourceFile]]
"""Gives the files that match a pattern, sorted by name."""


@dataclass(frozen=True)
class DayLogs:
    """A day's flows, not yet read.

    Attributes:
        records: The columns of RAW and ORIGIN.
        files: Where they come from; empty for synthetic flows.
        quick: The columns of RAW and a boolean `suspect`, read in a faster way that knows no fault: where a record is
            suspect, or reading ends with an error, only `records` tells. None where a format has no such way.
    """

    records: pl.LazyFrame
    files: Sequence[LogFile]
    quick: pl.LazyFrame | None = None


def formats() -> list[str]:
    """Give every value that FLOWS_FORMAT may have."""
    return [AUTO, *readers(), SYNTHETIC]


def day_logs(  # noqa: PLR0913 - each is a setting of its own
    day: dt.date,
    uri: str | None,
    folder: Path,
    fmt: str = AUTO,
    *,
    columns: str | None = None,
    synthetic: int = 200_000,
    find: Find = local_files,
) -> DayLogs:
    """Find a day's flows.

    Args:
        day: The day, UTC.
        uri: Where its logs are, see `find_files`. None gives synthetic flows.
        folder: Where the run's own copies of them go, which must stay until the flows are read; it is made.
        fmt: One of `formats()`.
        columns: Which columns of the logs are meant, see `columns`. None takes those that bear the raw schema's names.
        synthetic: How many flows the synthetic source makes.
        find: Looks a pattern up.

    Raises:
        SettingsError: The format is unknown, or the URI's template is, or the columns are not to be understood.
        NoFlowLogsError: No file matches.
        UnreadableLogError: A file is of no known or of another format, or is damaged.
    """
    if fmt not in formats():
        raise SettingsError(f"FLOWS_FORMAT={fmt!r} is unknown", f"Use one of {', '.join(formats())}")
    if uri is None and fmt not in {AUTO, SYNTHETIC}:
        raise SettingsError(f"FLOWS_FORMAT={fmt} without FLOWS_URI", "Say in FLOWS_URI where the logs are")
    mapping = _mapping(uri, fmt, columns) if columns else {}
    if fmt == SYNTHETIC or uri is None:
        return DayLogs(synthetic_flows(day, synthetic), [])
    return _read(find_files(day, uri, find), folder, fmt, mapping)


def _mapping(uri: str | None, fmt: str, columns: str) -> Columns:
    formats_of_it = [AUTO, *(reader.name for reader in readers().values() if reader.mapped)]
    if fmt not in formats_of_it:
        raise SettingsError(
            f"FLOWS_COLUMNS with FLOWS_FORMAT={fmt}", f"Unset one, or use one of {', '.join(formats_of_it)}"
        )
    if uri is None:
        raise SettingsError("FLOWS_COLUMNS without FLOWS_URI", "Say in FLOWS_URI where the logs are")
    mapping = parse_columns(columns)
    require_constants(mapping)
    return mapping


def find_files(day: dt.date, uri: str, find: Find = local_files) -> list[SourceFile]:
    """Give the files that hold a day's flows.

    Args:
        day: The day, UTC.
        uri: A path, glob or URL; `{date}` becomes `YYYY-MM-DD`, also `{date:%Y%m%d}`.
        find: Looks the pattern up.

    Raises:
        SettingsError: The template cannot be filled in.
        NoFlowLogsError: None matches.
        UnreadableLogError: One of them is no regular file.
    """
    try:
        pattern = uri.removeprefix("file://").format(date=day)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise SettingsError(
            f"FLOWS_URI={uri} has another template than {{date}}", "Use {date} or {date:%Y%m%d} as the only template"
        ) from error
    found = find(pattern)
    if not found:
        raise NoFlowLogsError(
            f"no file matches {pattern} for {day}", "Check FLOWS_URI and that the sensor wrote that day"
        )
    return found


def _read(files: Sequence[SourceFile], folder: Path, fmt: str, columns: Columns) -> DayLogs:
    folder.mkdir()
    spooled = [spool(file, folder / f"{number}.log") for number, file in enumerate(files)]
    logs = [replace(log, columns=columns) for log in spooled]
    groups = defaultdict[Reader, list[LogFile]](list)
    for log in logs:
        groups[_reader(log, fmt)].append(log)
    records = [reader.scan(group) for reader, group in groups.items()]
    quick = [reader.quick(group) for reader, group in groups.items() if reader.quick]
    return DayLogs(pl.concat(records), logs, pl.concat(quick) if len(quick) == len(records) else None)


def _reader(log: LogFile, fmt: str) -> Reader:
    if fmt != AUTO:
        return readers()[fmt]
    asked = [reader for reader in readers().values() if reader.mapped or not log.columns]
    known = [reader for reader in asked if reader.recognises(log)]
    if not known:
        begin = log.first_lines[0][:40]
        raise UnreadableLogError(
            f"{log.name} is no flow log of a known kind, it begins with {begin!r}",
            f"Narrow FLOWS_URI, or set FLOWS_FORMAT to one of {', '.join(readers())}",
        )
    return known[0]
