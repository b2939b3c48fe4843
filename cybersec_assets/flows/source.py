"""Which files hold a day's flows, and their records as one lazy table.

FLOWS_URI → files of the day → each one's format, by content → one LazyFrame of RAW and ORIGIN
"""

import datetime as dt
import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cybersec_assets.errors import NoFlowLogsError, SettingsError, UnreadableLogError
from cybersec_assets.flows.logfile import LogFile, open_log
from cybersec_assets.flows.readers import readers
from cybersec_assets.flows.readers.base import Reader
from cybersec_assets.flows.synthetic import synthetic_flows

AUTO = "auto"
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class DayLogs:
    """A day's flows, not yet read.

    Attributes:
        records: The columns of RAW and ORIGIN.
        files: Where they come from; empty for synthetic flows.
    """

    records: pl.LazyFrame
    files: Sequence[Path]


def formats() -> list[str]:
    """Give every value that FLOWS_FORMAT may have."""
    return [AUTO, *readers(), SYNTHETIC]


def day_logs(day: dt.date, uri: str | None, fmt: str = AUTO, *, synthetic: int = 200_000) -> DayLogs:
    """Find a day's flows.

    Args:
        day: The day, UTC.
        uri: A path or glob; `{date}` becomes `YYYY-MM-DD`, also `{date:%Y%m%d}`. None gives synthetic flows.
        fmt: One of `formats()`.
        synthetic: How many flows the synthetic source makes.

    Raises:
        SettingsError: The format is unknown, or the URI's template is.
        NoFlowLogsError: No file matches.
        UnreadableLogError: A file is of no known or of another format, or is damaged.
    """
    if fmt not in formats():
        raise SettingsError(f"FLOWS_FORMAT={fmt!r} is unknown", f"Use one of {', '.join(formats())}")
    if uri is None and fmt not in {AUTO, SYNTHETIC}:
        raise SettingsError(f"FLOWS_FORMAT={fmt} without FLOWS_URI", "Say in FLOWS_URI where the logs are")
    if fmt == SYNTHETIC or uri is None:
        return DayLogs(synthetic_flows(day, synthetic), [])
    logs = [open_log(path) for path in find_files(day, uri)]
    frames = [_reader(log, fmt).scan(log) for log in logs]
    return DayLogs(pl.concat(frames), [log.path for log in logs])


def find_files(day: dt.date, uri: str) -> list[Path]:
    """Give the files that match, sorted by name.

    Raises:
        SettingsError: The template cannot be filled in.
        NoFlowLogsError: None matches.
    """
    if "://" in uri and not uri.startswith("file://"):
        raise SettingsError(f"FLOWS_URI={uri}: only local paths are read", "Mount or copy the logs, and give the path")
    try:
        pattern = uri.removeprefix("file://").format(date=day)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise SettingsError(
            f"FLOWS_URI={uri} has another template than {{date}}", "Use {date} or {date:%Y%m%d} as the only template"
        ) from error
    found = sorted(Path(path) for path in glob.glob(pattern, recursive=True))  # noqa: PTH207 - it takes absolute ones
    if not found:
        raise NoFlowLogsError(
            f"no file matches {pattern} for {day}", "Check FLOWS_URI and that the sensor wrote that day"
        )
    return found


def _reader(log: LogFile, fmt: str) -> Reader:
    if fmt != AUTO:
        return readers()[fmt]
    known = [reader for reader in readers().values() if reader.recognises(log)]
    if not known:
        begin = log.first_lines[0][:40]
        raise UnreadableLogError(
            f"{log.path} is no flow log of a known kind, it begins with {begin!r}",
            f"Narrow FLOWS_URI, or set FLOWS_FORMAT to one of {', '.join(readers())}",
        )
    return known[0]
