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
from cybersec_assets.flows.day import MOST_OUTSIDE, Day, local_offset, offset_name
from cybersec_assets.flows.schema import NEVER_NULL, VOLUMES

OUTSIDE_REMEDY = (
    "Check the clock of the sensor, {date} in FLOWS_URI, and FLOWS_TIMEZONE, or raise max_outside_day: in the "
    "Launchpad, or with `cybersec run --max-outside-day`"
)
ZONE_REMEDY = "set FLOWS_TIMEZONE to the time zone of the sensor, or raise max_outside_day"
MISSING = "missing times, addresses or protocols"
NEGATIVE = "negative volumes or durations"


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: The rule's name, which is also its asset check's.
        holds: Whether it holds.
        value: The figure that was looked at.
        limit: What that figure may be at most (at least, for `not_empty`).
        remedy: What to do where it does not hold.
        problem: What is wrong where it does not hold; `{layer}` stands for the layer's name.
        hint: What a person should know of a rule that holds.
    """

    rule: str
    holds: bool
    value: float
    limit: float
    remedy: str
    problem: str
    hint: str | None = None

    def said(self, layer: str) -> str:
        """Return what is wrong with a layer, with the rule's name at the end, for an error or a check that failed."""
        return f"{self.problem.replace('{layer}', layer)} (rule {self.rule})"


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
    rows = counts["rows"]
    missing = counts["missing"]
    negative = counts["negative"]
    share = counts["outside"] / max(rows, 1)
    percent, limit = _percents(share, max_outside_day)
    other_zone = _other_zone(raw, day) if share > min(max_outside_day, MOST_OUTSIDE) else None
    return [
        Finding(
            "not_empty", rows > 0, rows, 1, "Check that the sensor wrote flows that day", problem="{layer} has no flows"
        ),
        Finding(
            "no_missing_values",
            missing == 0,
            missing,
            0,
            "Correct the source's columns",
            problem=f"{{layer}} has {_counted(missing, 'missing time, address or protocol', MISSING)}",
        ),
        Finding(
            "within_day",
            share <= max_outside_day,
            share,
            max_outside_day,
            f"{other_zone}: {ZONE_REMEDY}" if other_zone else OUTSIDE_REMEDY,
            problem=f"{{layer}}: {percent} of the flows are outside {day.date} (limit {limit})",
            hint=other_zone and f"{other_zone}: set FLOWS_TIMEZONE to the time zone of the sensor",
        ),
        Finding(
            "no_negative_volumes",
            negative == 0,
            negative,
            0,
            "Correct the source's columns",
            problem=f"{{layer}} has {_counted(negative, 'negative volume or duration', NEGATIVE)}",
        ),
    ]


def _counted(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _percents(share: float, limit: float) -> tuple[str, str]:
    """Return a share and its limit as people write them, such as `99.8 %`, with digits enough to differ."""
    for digits in range(3, 18):
        percents = (f"{100 * share:.{digits}g} %", f"{100 * limit:.{digits}g} %")
        if percents[0] != percents[1]:
            break
    return percents


def _other_zone(raw: Path, day: Day) -> str | None:
    """Return in which other time zone the flows are a local day, or None where they look like none."""
    offset = local_offset(raw, day.date)
    expected = day.begin.astimezone(day.zone).utcoffset()
    if offset is None or expected is None or offset == expected:
        return None
    hours = (offset - expected) / dt.timedelta(hours=1)
    shift = f"{abs(hours):g} h {'behind' if hours < 0 else 'ahead of'} {day.zone.key}"
    return f"They look like a local day at {offset_name(offset)}, {shift}"


def parse_finding(rejected_share: float, allowed: float) -> Finding:
    """Return the rule on the share of lines that did not parse."""
    percent, limit = _percents(rejected_share, allowed)
    return Finding(
        "lines_parse",
        rejected_share <= allowed,
        rejected_share,
        allowed,
        "Repair the damaged lines",
        problem=f"{{layer}} has {percent} damaged lines (limit {limit})",
    )


def silver_findings(raw_rows: int, silver_rows: int, dropped: Mapping[str, int]) -> list[Finding]:
    """Look at whether silver has as many rows as raw less those that it says it dropped."""
    unaccounted = abs(raw_rows - sum(dropped.values()) - silver_rows)
    expected = f"raw has {raw_rows:,} rows, of which {sum(dropped.values()):,} were dropped"
    return [
        Finding(
            "rows_accounted_for",
            unaccounted == 0,
            unaccounted,
            0,
            "Report this: silver lost or made rows",
            problem=f"{{layer}} has {silver_rows:,} rows, but {expected}",
        )
    ]


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
            raise QualityError(finding.said(what), finding.remedy)
