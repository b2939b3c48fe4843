"""Where flows come from: which files hold a day's, and how they are to be read.

FLOWS_URI → files of the day → `day_logs` → pseudonyms in place of addresses, where there is a key
"""

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import polars as pl

from cybersec_assets.errors import NoFlowLogsError, SettingsError, quoted
from cybersec_assets.flows.day import UTC, Day
from cybersec_assets.flows.parsing.mapped_fields import require_constants
from cybersec_assets.flows.parsing.mapping import Columns, parse_columns
from cybersec_assets.flows.parsing.presets import presets
from cybersec_assets.flows.plan import DayLogs, Part, Reading, read_logs
from cybersec_assets.flows.pseudonyms.privacy import without_addresses
from cybersec_assets.flows.pseudonyms.pseudonyms import Pseudonyms
from cybersec_assets.flows.readers import AUTO, readers
from cybersec_assets.flows.readers.base import Scan
from cybersec_assets.flows.staging import StagedLog
from cybersec_assets.flows.synthetic.flows import synthetic_flows
from cybersec_assets.sources.base import SourceFile
from cybersec_assets.sources.local import local_files

SYNTHETIC = "synthetic"
Find = Callable[[str], list[SourceFile]]
"""Gives the files that match a pattern, sorted by name."""


def formats() -> list[str]:
    """Give every value that FLOWS_FORMAT may have."""
    return [AUTO, *readers(), SYNTHETIC]


@dataclass(frozen=True)
class FlowSource:
    """Where flows come from.

    Attributes:
        uri: A path, glob or URL; `{date}` becomes `YYYY-MM-DD`, also `{date:%Y%m%d}`. None gives synthetic flows.
        fmt: One of `formats()`.
        columns: FLOWS_COLUMNS: which columns of CSV and Parquet are meant; None for those with the raw layer's names.
        synthetic: How many flows the synthetic source makes of a day.
        pseudonyms: What stands for addresses, where none may be kept.
        zone: The time zone of the sensor's days.
        find: Looks a pattern up.

    Raises:
        SettingsError: The format is unknown, or one of these does not go with another.
    """

    uri: str | None = None
    fmt: str = AUTO
    columns: str | None = None
    synthetic: int = 200_000
    pseudonyms: Pseudonyms | None = None
    zone: ZoneInfo = UTC
    find: Find = local_files

    def __post_init__(self) -> None:
        """Refuse what does not fit together before anything is read."""
        if self.fmt not in formats():
            raise SettingsError(f"FLOWS_FORMAT={quoted(self.fmt)} is unknown", f"Use one of {', '.join(formats())}")
        if self.uri is None and self.fmt not in {AUTO, SYNTHETIC}:
            raise SettingsError(f"FLOWS_FORMAT={self.fmt} without FLOWS_URI", "Say in FLOWS_URI where the logs are")
        if self.columns:
            self._require_mapped()
        # Parsed here, so that what cannot be understood is refused before a run starts.
        _ = self._parsed

    def logs_of(self, day: dt.date, folder: Path) -> DayLogs:
        """Find a day's flows.

        Args:
            day: The day.
            folder: Where the run's own copies of its logs go, which must stay until the flows are read; it is made.

        Raises:
            SettingsError: The URI's template cannot be filled in, or the columns are not to be understood.
            NoFlowLogsError: No file matches.
            UnreadableLogError: A file is of no known or of another format, or is damaged.
        """
        if self.uri is None or self.fmt == SYNTHETIC:
            return DayLogs([Part(lambda _: synthetic_flows(day, self.synthetic, self.zone))])
        how = Reading(self.fmt, self.mapping(day), quotes=self.pseudonyms is None)
        logs = read_logs(self.files_of(day), folder, how)
        return logs if self.pseudonyms is None else _pseudonymous(logs, self.pseudonyms)

    def reading(self) -> dict[str, object]:
        """Say how files are read where it is not as they are: the same file gives other flows then."""
        said: dict[str, object] = {
            "columns": self._parsed and self._parsed[1],
            "pseudonyms": self.pseudonyms is not None,
            "timezone": None if self.zone == UTC else self.zone.key,
        }
        return {name: value for name, value in said.items() if value}

    def files_of(self, day: dt.date) -> list[SourceFile]:
        """Give the files that hold a day's flows; none where they are made up.

        Raises:
            SettingsError: The URI's template cannot be filled in.
            NoFlowLogsError: No file matches.
            UnreadableLogError: One of them is no regular file.
        """
        if self.uri is None or self.fmt == SYNTHETIC:
            return []
        pattern = _fill(self.uri, day)
        found = self.find(pattern)
        if not found:
            raise NoFlowLogsError(
                f"no file matches {pattern} for {day}", "Check FLOWS_URI and that the sensor wrote that day"
            )
        return found

    def _require_mapped(self) -> None:
        mapped = [AUTO, *(reader.name for reader in readers().values() if reader.mapped)]
        if self.fmt not in mapped:
            raise SettingsError(
                f"FLOWS_COLUMNS with FLOWS_FORMAT={self.fmt}", f"Unset one, or use one of {', '.join(mapped)}"
            )
        if self.uri is None:
            raise SettingsError("FLOWS_COLUMNS without FLOWS_URI", "Say in FLOWS_URI where the logs are")

    def mapping(self, day: dt.date) -> Columns | None:
        """Return which columns are meant on a day; None for those with the raw layer's names.

        Raises:
            SettingsError: A constant is no value of its raw column.
        """
        if self._parsed is None:
            return None
        columns = self._parsed[0].on(day.isoformat(), Day(day, self.zone).begin.isoformat())
        require_constants(columns)
        return columns

    @cached_property
    def _parsed(self) -> tuple[Columns, str] | None:
        """FLOWS_COLUMNS and its text, read once: a file may change meanwhile."""
        return parse_columns(self.columns, presets()) if self.columns else None


def _fill(uri: str, day: dt.date) -> str:
    with suppress(AttributeError, LookupError, TypeError, ValueError):
        fields = [(field, form, how) for _, field, form, how in Formatter().parse(uri) if field is not None]
        # `format` alone would look into attributes of the day as well, and make a text of any length.
        if all(field == "date" and not how and "{" not in str(form) for field, form, how in fields):
            return uri.removeprefix("file://").format(date=day)
    raise SettingsError(
        f"FLOWS_URI={uri} has another template than {{date}}",
        "Use {date} or {date:%Y%m%d} as the only template",
    )


def _pseudonymous(logs: DayLogs, pseudonyms: Pseudonyms) -> DayLogs:
    def hidden(scan: Scan) -> Scan:
        return partial(_hidden, scan, pseudonyms)

    parts = [
        replace(part, scan=hidden(part.scan), fast_scan=part.fast_scan and hidden(part.fast_scan))
        for part in logs.parts
    ]
    return replace(logs, parts=parts)


def _hidden(scan: Scan, pseudonyms: Pseudonyms, logs: Sequence[StagedLog]) -> pl.LazyFrame:
    return without_addresses(scan(logs), pseudonyms)
