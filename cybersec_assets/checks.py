"""The rules of the layers as asset checks.

A rule that breaks has failed its phase before anything was stored; a check repeats, with its number, what held.
Only the anomaly rate's band is a check alone: it warns, since a strange day is a finding and not a fault.
"""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from cybersec_assets.flows.quality import Finding

ANOMALY_RATE = "anomaly_rate_in_band"
RAW_RULES = {
    "not_empty": "The day has flows.",
    "no_missing_values": "Time, addresses and protocol are there for every flow.",
    "within_day": "At most max_outside_day of the flows began outside of the partition's day.",
    "no_negative_volumes": "No volume or duration is below zero.",
    "lines_parse": "At most max_rejected_share of the lines do not parse.",
}
SILVER_RULES = {"rows_accounted_for": "Silver has as many rows as raw less those that it says it dropped."}
EVALUATION_RULES = {ANOMALY_RATE: "The share of anomalous flows is that of an ordinary day."}


def specs(asset: dg.AssetKey, rules: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    """Declare an asset's checks, one a rule, from names and descriptions."""
    return [dg.AssetCheckSpec(rule, asset=asset, description=said) for rule, said in rules.items()]


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
        check_name=ANOMALY_RATE,
        passed=low <= rate <= high,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"value": rate, "low": low, "high": high},
    )
