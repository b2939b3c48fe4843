"""How a run ended, read from its Dagster events: the lines that a shell shows of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from cybersec_assets.errors import RunInterruptedError

NOTES_SHOWN = 5
OUTSIDE_DAY = "within_day"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run_id: Dagster's.
        errors: One line for each phase that failed, none where the run is good.
        exit_status: 0, or what the first error asks for.
        notes: What a person should know of a run that is good.
    """

    run_id: str
    errors: list[str]
    exit_status: int
    notes: list[str]


def outcome_of(result: dg.ExecuteInProcessResult) -> Outcome:
    """Read how a run ended from its events."""
    errors, status = list[str](), 0 if result.success else 2
    for event in result.filter_events(lambda event: event.is_step_failure):
        data = event.step_failure_data
        known = data.user_failure_data
        if data.error and data.error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
            interrupted = RunInterruptedError()
            return Outcome(result.run_id, [str(interrupted)], interrupted.exit_status, [])
        errors.append(str(known.description) if known else _unforeseen(data))
        if known and len(errors) == 1:
            status = int(str(known.metadata["exit_status"].value))
    if not result.success and not errors:
        errors.append("the run failed before its first phase. Read its log in `cybersec ui`.")
    return Outcome(result.run_id, errors, status, list(_notes(result)))


def _notes(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Tell what was left out, and which figures stand out."""
    for event in result.filter_events(lambda event: event.is_step_materialization):
        told: dict[str, Any] = {name: entry.value for name, entry in event.materialization.metadata.items()}
        if told.get("rejected_lines"):
            yield f"damaged lines left out: {told['rejected_lines']:,} ({told['rejected_share']:.2%})"
        notes = told.get("source_notes", [])
        yield from notes[:NOTES_SHOWN]
        if more := len(notes[NOTES_SHOWN:]):
            yield f"the same of {more:,} more files; the run's log names them"
        if dropped := sum(told.get("dropped", {}).values()):
            yield f"repeated records left out of silver: {dropped:,}"
    for check in result.get_asset_check_evaluations():
        figure = check.metadata["value"].value
        if check.check_name == OUTSIDE_DAY and figure:
            yield f"{figure:.2%} of the flows began outside of the day"
        if not check.passed:
            yield check.description or f"{check.check_name} does not hold: {figure:.4g}"


def _unforeseen(data: Any) -> str:
    cause = data.error.cause or data.error
    return f"{' '.join(cause.message.split())} Read the run's log in `cybersec ui`."
