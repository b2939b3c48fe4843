"""The rules of the layers as asset checks.

A rule that breaks has failed its phase before anything was stored; a check repeats, with its number, what held.
Only the anomaly rate's band is a check alone: it warns, since a strange day is a finding and not a fault.
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from cybersec_assets.flows.quality import Finding

RAW_RULES = ("not_empty", "no_missing_values", "within_day", "no_negative_volumes", "lines_parse")
SILVER_RULES = ("rows_accounted_for",)
EVALUATION_RULES = ("anomaly_rate_in_band",)


def specs(asset: dg.AssetKey, rules: Iterable[str]) -> list[dg.AssetCheckSpec]:
    """Declare an asset's checks, one a rule."""
    return [dg.AssetCheckSpec(rule, asset=asset) for rule in rules]


def results(findings: Iterable[Finding]) -> Iterator[dg.AssetCheckResult]:
    """Report what the rules found."""
    for finding in findings:
        yield dg.AssetCheckResult(
            check_name=finding.rule,
            passed=finding.holds,
            metadata={"value": finding.value, "limit": finding.limit},
        )


def anomaly_rate_in_band(rate: float, low: float, high: float) -> dg.AssetCheckResult:
    """Warn where the share of anomalous flows lies outside of a band."""
    return dg.AssetCheckResult(
        check_name=EVALUATION_RULES[0],
        passed=low <= rate <= high,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"value": rate, "low": low, "high": high},
    )
