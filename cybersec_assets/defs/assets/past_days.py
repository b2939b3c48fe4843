"""The check on days that are over: have their logs changed since they became flows?

It looks at files and at the audit, never at the flows, so it is a step of its own beside the raw layer's other checks.
Where the raw layer breaks a rule, that step is skipped, and the raw layer's own step evaluates this check.
"""

from collections.abc import Iterator

import dagster as dg

from cybersec_assets import phases
from cybersec_assets.defs.partitions import day_of
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.flow_source import FlowSourceResource
from cybersec_assets.errors import CybersecError, NoFlowLogsError, first_line
from cybersec_assets.flows.changes import changes
from cybersec_assets.redaction import redacted_errors

RAW_KEY = dg.AssetKey.from_user_string(phases.RAW.asset)
NAME = "past_days_unchanged"
DAYS = 31
"""How many of the newest days are looked at: logs that are older have been archived."""
SHOWN = 20


def past_days_check() -> dg.AssetChecksDefinition:
    """Define the check `past_days_unchanged` of `raw/network_events`."""

    @dg.asset_check(
        asset=RAW_KEY,
        name=NAME,
        config_schema={},
        description=f"Of the newest {DAYS} days that were made, no log has come or changed since; it warns.",
    )
    def past_days_unchanged(audit: AuditResource, flow_source: FlowSourceResource) -> dg.AssetCheckResult:
        """Compare the files that are there now with those that the audit says fed each day."""
        return _result(audit, flow_source)

    return past_days_unchanged


def past_days_evaluation(audit: AuditResource, flow_source: FlowSourceResource) -> dg.AssetCheckEvaluation:
    """Evaluate the check within another step. No error is raised: it would hide the error of that step."""
    try:
        result = _result(audit, flow_source)
    except Exception as error:  # noqa: BLE001 - the step is about to raise the error of a broken rule
        result = _check_result([_unreadable(error)])
    return dg.AssetCheckEvaluation(
        asset_key=RAW_KEY,
        check_name=NAME,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
    )


def _changes(audit: AuditResource, flow_source: FlowSourceResource) -> Iterator[str]:
    source = flow_source.source()
    for day in audit.ask().sources(DAYS):
        try:
            now = source.files_of(day_of(day.partition))
        except NoFlowLogsError:
            continue
        for change in changes(day.files, now):
            yield f"{day.partition}: {change}. Materialize {phases.RAW.asset} of that day again"


def _result(audit: AuditResource, flow_source: FlowSourceResource) -> dg.AssetCheckResult:
    try:
        with redacted_errors():
            found = list(_changes(audit, flow_source))
    except (CybersecError, OSError) as error:
        found = [_unreadable(error)]
    return _check_result(found)


def _unreadable(error: Exception) -> str:
    return f"this could not be looked at: {first_line(error)}"


def _check_result(found: list[str]) -> dg.AssetCheckResult:
    shown = "".join(f"- {line}\n" for line in found[:SHOWN])
    more = f" ({len(found) - 1} more: see the check {NAME})" if len(found) > 1 else ""
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description=found[0] + more if found else None,
        metadata={"value": len(found), "changes": dg.MetadataValue.md(shown)},
    )
