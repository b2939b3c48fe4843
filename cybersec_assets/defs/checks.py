"""The rules of the layers as asset checks.

A broken rule fails its phase before anything is stored. The checks are evaluated first, so that Dagster shows the value
and the limit of every rule. The anomaly rate's check only warns, because an unusual day is a finding and not an error.
"""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from cybersec_assets.flows.quality import RuleResult

ANOMALY_RATE = "anomaly_rate_in_band"
RAW_RULES = {
    "not_empty": "The day has flows.",
    "no_missing_values": "Every flow has a time, both addresses and a protocol.",
    "within_day": "At most max_outside_day of the flows began outside of the partition's day.",
    "no_negative_volumes": "No volume or duration is below zero.",
    "lines_parse": "At most max_rejected_share of the lines do not parse.",
}
SILVER_RULES = {"rows_accounted_for": "Silver has the rows of raw, except for those that it reports as dropped."}
EVALUATION_RULES = {ANOMALY_RATE: "The share of anomalous flows is within the range of an ordinary day."}


def specs(asset: dg.AssetKey, rules: Mapping[str, str], *, blocking: bool) -> list[dg.AssetCheckSpec]:
    """Declare an asset's checks, one for each rule.

    Args:
        asset: The asset.
        rules: Descriptions by name.
        blocking: Whether a broken rule fails the phase.
    """
    return [dg.AssetCheckSpec(rule, asset=asset, description=text, blocking=blocking) for rule, text in rules.items()]


def results(rules: Iterable[RuleResult]) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of rules that all hold, for the stored object."""
    for result in rules:
        yield dg.AssetCheckResult(
            check_name=result.rule,
            passed=result.holds,
            metadata={"value": result.value, "limit": result.limit},
            description=result.hint,
        )


def evaluations(asset: dg.AssetKey, rules: Iterable[RuleResult]) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield the evaluations of rules if at least one is broken.

    They belong to no materialization. A check result would name the partition's earlier one, which broke no rule.
    """
    for result in rules:
        yield dg.AssetCheckEvaluation(
            asset_key=asset,
            check_name=result.rule,
            passed=result.holds,
            metadata={"value": result.value, "limit": result.limit},
            description=None if result.holds else result.message(asset.to_user_string()),
            blocking=True,
        )


def anomaly_rate_in_band(rate: float, low: float, high: float) -> dg.AssetCheckResult:
    """Warn if the share of anomalous flows is outside of a range."""
    return dg.AssetCheckResult(
        check_name=ANOMALY_RATE,
        passed=low <= rate <= high,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"value": rate, "low": low, "high": high},
    )
