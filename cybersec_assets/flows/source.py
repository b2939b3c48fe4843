"""Find the log files of a day, and decide how they are read.

FLOWS_URI → the files of the day → `read_logs` → pseudonyms in place of addresses, if there is a key
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
"""Returns the files that match a pattern, sorted by name."""


def formats() -> list[str]:
    """Return the valid values of FLOWS_FORMAT."""
    return [AUTO, *readers(), SYNTHETIC]


@dataclass(frozen=True)
class FlowSource:
    """The source of the flows of any day.

    Attributes:
        uri: A path, glob or URL; `{date}` becomes `YYYY-MM-DD`, also `{date:%Y%m%d}`. None means synthetic flows.
        fmt: One of `formats()`.
        columns: FLOWS_COLUMNS, the mapping of CSV and Parquet; None for columns with the names of the raw layer.
        synthetic: The number of synthetic flows per day.
        pseudonyms: Replaces addresses, if they must not be stored.
        zone: The time zone of the days.
        find: Returns the files that match a pattern.

    Raises:
        SettingsError: The format is unknown, the columns are invalid, or two settings contradict each other.
    """

    uri: str | None = None
    fmt: str = AUTO
    columns: str | None = None
    synthetic: int = 200_000
    pseudonyms: Pseudonyms | None = None
    zone: ZoneInfo = UTC
    find: Find = local_files

    def __post_init__(self) -> None:
        """Reject invalid settings before anything is read."""
        if self.fmt not in formats():
            raise SettingsError(f"FLOWS_FORMAT={quoted(self.fmt)} is unknown", f"Use one of {', '.join(formats())}")
        if self.uri is None and self.fmt not in {AUTO, SYNTHETIC}:
            raise SettingsError(f"FLOWS_FORMAT={self.fmt} without FLOWS_URI", "Set FLOWS_URI to the path of the logs")
        if self.columns:
            self._require_mapped()
        # Invalid columns are reported before a run starts.
        _ = self._parsed

    def logs_of(self, day: dt.date, folder: Path) -> DayLogs:
        """Return the flows of a day.

        Args:
            day: The day.
            folder: The folder for the run's copies of the logs. It is created, and must exist until the flows are read.

        Raises:
            SettingsError: The template of the URI is invalid, or a constant of the columns is.
            NoFlowLogsError: No file matches.
            UnreadableLogError: A file has an unknown or another format, or is damaged.
        """
        if self.uri is None or self.fmt == SYNTHETIC:
            return DayLogs([Part(lambda _: synthetic_flows(day, self.synthetic, self.zone))])
        reading = Reading(self.fmt, self.mapping(day), quotes=self.pseudonyms is None)
        logs = read_logs(self.files_of(day), folder, reading)
        return logs if self.pseudonyms is None else _with_pseudonyms(logs, self.pseudonyms)

    def reading(self) -> dict[str, object]:
        """Return the settings, other than defaults, that change which flows a file gives."""
        settings: dict[str, object] = {
            "columns": self._parsed and self._parsed[1],
            "pseudonyms": self.pseudonyms is not None,
            "timezone": None if self.zone == UTC else self.zone.key,
        }
        return {name: value for name, value in settings.items() if value}

    def files_of(self, day: dt.date) -> list[SourceFile]:
        """Return the log files of a day, or no files if the flows are synthetic.

        Raises:
            SettingsError: The template of the URI is invalid.
            NoFlowLogsError: No file matches.
            UnreadableLogError: A match is not a regular file.
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
            raise SettingsError("FLOWS_COLUMNS without FLOWS_URI", "Set FLOWS_URI to the path of the logs")

    def mapping(self, day: dt.date) -> Columns | None:
        """Return the column mapping for a day; None for columns with the names of the raw layer.

        Raises:
            SettingsError: A constant is not valid for its raw column.
        """
        if self._parsed is None:
            return None
        columns = self._parsed[0].with_day(day.isoformat(), Day(day, self.zone).begin.isoformat())
        require_constants(columns)
        return columns

    @cached_property
    def _parsed(self) -> tuple[Columns, str] | None:
        """The columns and their text. They are parsed once, because a file may change later."""
        return parse_columns(self.columns, presets()) if self.columns else None


def _fill(uri: str, day: dt.date) -> str:
    with suppress(AttributeError, LookupError, TypeError, ValueError):
        fields = [field for field in Formatter().parse(uri) if field[1] is not None]
        # `format` alone would also read attributes of the day, and could return a text of any length.
        if all(name == "date" and not conversion and "{" not in str(spec) for _, name, spec, conversion in fields):
            return uri.removeprefix("file://").format(date=day)
    raise SettingsError(
        f"FLOWS_URI={uri} has a template other than {{date}}",
        "Use {date} or {date:%Y%m%d} as the only template",
    )


def _with_pseudonyms(logs: DayLogs, pseudonyms: Pseudonyms) -> DayLogs:
    def wrap(scan: Scan) -> Scan:
        return partial(_scan_with_pseudonyms, scan, pseudonyms)

    parts = [
        replace(part, scan=wrap(part.scan), fast_scan=part.fast_scan and wrap(part.fast_scan)) for part in logs.parts
    ]
    return replace(logs, parts=parts)


def _scan_with_pseudonyms(scan: Scan, pseudonyms: Pseudonyms, logs: Sequence[StagedLog]) -> pl.LazyFrame:
    return without_addresses(scan(logs), pseudonyms)
