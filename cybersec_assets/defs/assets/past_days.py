"""The check `past_days_unchanged`: did the logs of earlier days change after those days were materialized?

The check reads files and the audit, but no flows, so it is a step of its own. Dagster skips that step if the raw layer
breaks a rule; the raw layer's step then evaluates this check.
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
"""How many of the newest days are checked. Older logs are usually archived."""
MOST_CHANGES = 20
"""How many changes the metadata lists."""


def past_days_check() -> dg.AssetChecksDefinition:
    """Define the check `past_days_unchanged` of `raw/network_events`."""

    @dg.asset_check(
        asset=RAW_KEY,
        name=NAME,
        config_schema={},
        description=f"No log of the newest {DAYS} materialized days was added or changed since. Warns only.",
    )
    def past_days_unchanged(
        audit: dg.ResourceParam[AuditResource], flow_source: dg.ResourceParam[FlowSourceResource]
    ) -> dg.AssetCheckResult:
        """Compare the files that exist now with those that the audit recorded for each day."""
        return _result(audit, flow_source)

    return past_days_unchanged


def past_days_evaluation(audit: AuditResource, flow_source: FlowSourceResource) -> dg.AssetCheckEvaluation:
    """Evaluate the check within another step. No error is raised, because it would hide that step's error."""
    try:
        result = _result(audit, flow_source)
    except Exception as error:  # noqa: BLE001 - the step raises the error of its broken rule next
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
    return f"the logs could not be checked: {first_line(error)}"


def _check_result(found: list[str]) -> dg.AssetCheckResult:
    shown = "".join(f"- {line}\n" for line in found[:MOST_CHANGES])
    more = f" ({len(found) - 1} more: see the check {NAME})" if len(found) > 1 else ""
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description=found[0] + more if found else None,
        metadata={"value": len(found), "changes": dg.MetadataValue.md(shown)},
    )
