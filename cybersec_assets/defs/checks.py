"""The rules of the layers as asset checks.

A broken rule fails its phase before anything is stored. Its checks are evaluated first, so that Dagster shows the value
and the limit of every rule. The band of the anomaly rate is a check alone: it warns, since a strange day is a finding
and not a fault.
"""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from cybersec_assets.flows.quality import RuleResult

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


def specs(asset: dg.AssetKey, rules: Mapping[str, str], *, blocking: bool) -> list[dg.AssetCheckSpec]:
    """Declare an asset's checks, one for each rule.

    Args:
        asset: The asset.
        rules: Descriptions by name.
        blocking: Whether a broken rule fails the phase.
    """
    return [dg.AssetCheckSpec(rule, asset=asset, description=said, blocking=blocking) for rule, said in rules.items()]


def results(findings: Iterable[RuleResult]) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of rules that hold, for the object that was stored."""
    for finding in findings:
        yield dg.AssetCheckResult(
            check_name=finding.rule, passed=finding.holds, metadata=_figures(finding), description=finding.hint
        )


def evaluations(asset: dg.AssetKey, findings: Iterable[RuleResult]) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield the evaluations of rules of which at least one is broken.

    They are of no materialization: a check result would name the partition's earlier one, which is not at fault.
    """
    for finding in findings:
        yield dg.AssetCheckEvaluation(
            asset_key=asset,
            check_name=finding.rule,
            passed=finding.holds,
            metadata=_figures(finding),
            description=None if finding.holds else finding.message(asset.to_user_string()),
            blocking=True,
        )


def _figures(finding: RuleResult) -> dict[str, float]:
    return {"value": finding.value, "limit": finding.limit}


def anomaly_rate_in_band(rate: float, low: float, high: float) -> dg.AssetCheckResult:
    """Warn where the share of anomalous flows lies outside of a band."""
    return dg.AssetCheckResult(
        check_name=ANOMALY_RATE,
        passed=low <= rate <= high,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"value": rate, "low": low, "high": high},
    )
