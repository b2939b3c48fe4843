"""The rules that a layer must satisfy before it is stored.

Each rule returns a `RuleResult` with the measured value, so that the error, the audit and the asset check show the
same figure. `require` raises an error for the first broken rule.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cybersec_assets.errors import QualityError
from cybersec_assets.flows.day import MAX_OUTSIDE_SHARE, Day, local_offset, offset_name
from cybersec_assets.flows.schema import NEVER_NULL, VOLUMES

OUTSIDE_REMEDY = (
    "Check the clock of the sensor, {date} in FLOWS_URI, and FLOWS_TIMEZONE, or raise max_outside_day: in the "
    "Launchpad, or with `cybersec run --max-outside-day`"
)


@dataclass(frozen=True)
class RuleResult:
    """The result of a rule for one layer.

    Attributes:
        rule: The name of the rule and of its asset check.
        holds: Whether the layer satisfies the rule.
        value: The measured value.
        limit: The largest allowed value (the smallest, for `not_empty`).
        remedy: What to do if the rule is broken.
        problem: What is wrong if the rule is broken; `{layer}` stands for the name of the layer.
        hint: Advice for a rule that holds.
    """

    rule: str
    holds: bool
    value: float
    limit: float
    remedy: str
    problem: str
    hint: str | None = None

    def message(self, layer: str) -> str:
        """Return what is wrong with a layer, followed by the name of the rule."""
        return f"{self.problem.replace('{layer}', layer)} (rule {self.rule})"


def raw_results(raw: Path, day: Day, max_outside_day: float) -> list[RuleResult]:
    """Check a raw layer.

    Args:
        raw: A Parquet file with the columns of RAW_SCHEMA.
        day: The day of the partition.
        max_outside_day: The largest allowed share of timestamps outside the day, 0 to 1.
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
    other_zone = _other_zone(raw, day) if share > min(max_outside_day, MAX_OUTSIDE_SHARE) else None
    zone_hint = other_zone and f"{other_zone}: set FLOWS_TIMEZONE to the time zone of the sensor"
    missing_values = _counted(missing, "missing time, address or protocol", "missing times, addresses or protocols")
    negative_values = _counted(negative, "negative volume or duration", "negative volumes or durations")
    return [
        RuleResult(
            "not_empty",
            rows > 0,
            rows,
            1,
            "Check that the sensor wrote flows that day",
            problem="{layer} has no flows",
        ),
        RuleResult(
            "no_missing_values",
            missing == 0,
            missing,
            0,
            "Correct the columns of the source",
            problem=f"{{layer}} has {missing_values}",
        ),
        RuleResult(
            "within_day",
            share <= max_outside_day,
            share,
            max_outside_day,
            f"{zone_hint}, or raise max_outside_day" if zone_hint else OUTSIDE_REMEDY,
            problem=f"{{layer}}: {percent} of the flows are outside {day.date} (limit {limit})",
            hint=zone_hint,
        ),
        RuleResult(
            "no_negative_volumes",
            negative == 0,
            negative,
            0,
            "Correct the columns of the source",
            problem=f"{{layer}} has {negative_values}",
        ),
    ]


def _counted(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _percents(share: float, limit: float) -> tuple[str, str]:
    """Return a share and its limit in percent, such as `99.8 %`, with enough digits to differ."""
    for digits in range(3, 18):
        percents = (f"{100 * share:.{digits}g} %", f"{100 * limit:.{digits}g} %")
        if percents[0] != percents[1]:
            break
    return percents


def _other_zone(raw: Path, day: Day) -> str | None:
    """Return a sentence that names the time zone in which the flows seem to be a local day, or None."""
    offset = local_offset(raw, day.date)
    expected = day.begin.astimezone(day.zone).utcoffset()
    if offset is None or expected is None or offset == expected:
        return None
    hours = (offset - expected) / dt.timedelta(hours=1)
    shift = f"{abs(hours):g} h {'behind' if hours < 0 else 'ahead of'} {day.zone.key}"
    return f"They look like a local day at {offset_name(offset)}, {shift}"


def parse_result(rejected_share: float, max_rejected_share: float) -> RuleResult:
    """Check the share of lines that could not be parsed."""
    percent, limit = _percents(rejected_share, max_rejected_share)
    return RuleResult(
        "lines_parse",
        rejected_share <= max_rejected_share,
        rejected_share,
        max_rejected_share,
        "Repair the damaged lines",
        problem=f"{{layer}}: {percent} of the lines are damaged (limit {limit})",
    )


def silver_results(raw_rows: int, silver_rows: int, dropped: Mapping[str, int]) -> list[RuleResult]:
    """Check that silver has as many rows as raw, less the rows that were dropped on purpose."""
    drops = sum(dropped.values())
    unaccounted = abs(raw_rows - drops - silver_rows)
    return [
        RuleResult(
            "rows_accounted_for",
            unaccounted == 0,
            unaccounted,
            0,
            "Report this as a bug: silver lost or added rows",
            problem=f"{{layer}} has {silver_rows:,} rows, but raw has {raw_rows:,} and {drops:,} were dropped",
        )
    ]


def all_hold(results: Iterable[RuleResult]) -> bool:
    """Return whether every rule holds."""
    return all(result.holds for result in results)


def require(results: Iterable[RuleResult], layer: str) -> None:
    """Raise an error if a layer breaks a rule.

    Args:
        results: The results of the rules.
        layer: The layer and its day, for the message.

    Raises:
        QualityError: A rule is broken; the message is about the first one.
    """
    for result in results:
        if not result.holds:
            raise QualityError(result.message(layer), result.remedy)
