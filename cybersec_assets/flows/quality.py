"""The rules that a layer must keep before it is stored, and by how much it keeps them.

Each rule gives a `Finding` with the number that it looked at, so that a person sees the same figure in the error,
in the audit and in the asset check. `require` turns a broken one into an error.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cybersec_assets.errors import QualityError
from cybersec_assets.flows.day import Day, local_offset, offset_name
from cybersec_assets.flows.schema import NEVER_NULL, VOLUMES

OUTSIDE_REMEDY = (
    "Check the clock of the sensor, {date} in FLOWS_URI, and FLOWS_TIMEZONE, or raise max_outside_day: in the "
    "Launchpad, or with `cybersec run --max-outside-day`"
)


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: The rule's name, which is also its asset check's.
        holds: Whether it holds.
        value: The figure that was looked at.
        limit: What that figure may be at most (at least, for `not_empty`).
        remedy: What to do where it does not hold.
    """

    rule: str
    holds: bool
    value: float
    limit: float
    remedy: str

    @property
    def said(self) -> str:
        """The rule with its value and its limit, for an error or a check that failed."""
        return f"{self.rule}: {self.value:.6g}, limit {self.limit:.6g}"


def raw_findings(raw: Path, day: Day, max_outside_day: float) -> list[Finding]:
    """Return what the rules find in a raw layer.

    Args:
        raw: A Parquet file with the columns of RAW.
        day: The day of the partition.
        max_outside_day: The share of timestamps that may be outside the day, 0 to 1.
    """
    counts = (
        pl.scan_parquet(raw)
        .select(
            rows=pl.len(),
            outside=(~day.holds(pl.col("timestamp"))).sum(),
            missing=pl.sum_horizontal(pl.col(name).null_count() for name in NEVER_NULL),
            negative=pl.sum_horizontal((pl.col(name) < 0).sum() for name in VOLUMES),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    share = counts["outside"] / max(counts["rows"], 1)
    return [
        Finding("not_empty", counts["rows"] > 0, counts["rows"], 1, "Check that the sensor wrote flows that day"),
        Finding("no_missing_values", counts["missing"] == 0, counts["missing"], 0, "Correct the source's columns"),
        Finding(
            "within_day",
            share <= max_outside_day,
            share,
            max_outside_day,
            (_other_zone(raw, day) if share > max_outside_day else None) or OUTSIDE_REMEDY,
        ),
        Finding("no_negative_volumes", counts["negative"] == 0, counts["negative"], 0, "Correct the source's columns"),
    ]


def _other_zone(raw: Path, day: Day) -> str | None:
    """Return the remedy for flows of a local day in another time zone, or None where they look like none."""
    offset = local_offset(raw, day.date)
    expected = day.begin.astimezone(day.zone).utcoffset()
    if offset is None or expected is None or offset == expected:
        return None
    hours = (offset - expected) / dt.timedelta(hours=1)
    shift = f"{abs(hours):g} h {'behind' if hours < 0 else 'ahead of'} {day.zone.key}"
    looks_like = f"They look like a local day at {offset_name(offset)}, {shift}"
    return f"{looks_like}: set FLOWS_TIMEZONE to the time zone of the sensor, or raise max_outside_day"


def parse_finding(rejected_share: float, allowed: float) -> Finding:
    """Return the rule on the share of lines that did not parse."""
    return Finding("lines_parse", rejected_share <= allowed, rejected_share, allowed, "Repair the damaged lines")


def silver_findings(raw_rows: int, silver_rows: int, dropped: Mapping[str, int]) -> list[Finding]:
    """Look at whether silver has as many rows as raw less those that it says it dropped."""
    unaccounted = abs(raw_rows - sum(dropped.values()) - silver_rows)
    return [Finding("rows_accounted_for", unaccounted == 0, unaccounted, 0, "Report this: silver lost or made rows")]


def all_hold(findings: Iterable[Finding]) -> bool:
    """Return whether no rule is broken."""
    return all(finding.holds for finding in findings)


def require(findings: Iterable[Finding], what: str) -> None:
    """Refuse a layer that breaks a rule.

    Args:
        findings: What the rules found.
        what: The layer and its day, for the message.

    Raises:
        QualityError: At least one rule does not hold; the first is named.
    """
    for finding in findings:
        if not finding.holds:
            raise QualityError(f"{what} breaks {finding.said}", finding.remedy)
