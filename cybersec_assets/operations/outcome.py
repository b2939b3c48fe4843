"""How a run ended, read from its Dagster events: the lines that a shell shows of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from cybersec_assets import errors as own_errors
from cybersec_assets.errors import LINE_CHARS, RunInterruptedError, shortened

NOTES_SHOWN = 5
OUTSIDE_DAY = "within_day"
READ_LOG = " Read the run's log in `cybersec ui`."
OWN_ERRORS = {name for name in vars(own_errors) if name.endswith("Error")}


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


def outcome_of(run_id: str, events: Sequence[dg.DagsterEvent]) -> Outcome:
    """Return how a run ended.

    Args:
        run_id: Dagster's.
        events: All of the run's events, in order.
    """
    success = any(event.event_type is dg.DagsterEventType.RUN_SUCCESS for event in events)
    errors = list[str]()
    status = 0 if success else 2
    for event in events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        known = data.user_failure_data
        if data.error and data.error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
            interrupted = RunInterruptedError()
            return Outcome(run_id, [str(interrupted)], interrupted.exit_status, [])
        errors.append(str(known.description) if known else _unforeseen(data.error))
        if known and len(errors) == 1:
            status = int(str(known.metadata["exit_status"].value))
    if not success and not errors:
        errors.append(_before_first_phase(events))
    return Outcome(run_id, errors, status, [*_left_out(events), *_warnings(events)])


def _left_out(events: Sequence[dg.DagsterEvent]) -> Iterator[str]:
    """Yield what was left out of the layers, and what a person should know of the source."""
    for event in events:
        if not event.is_step_materialization:
            continue
        told: dict[str, Any] = {name: entry.value for name, entry in event.materialization.metadata.items()}
        if told.get("rejected_lines"):
            yield f"damaged lines left out: {told['rejected_lines']:,} ({told['rejected_share']:.2%})"
        if told.get("label_warning"):
            yield told["label_warning"]
        notes = told.get("source_notes", [])
        yield from notes[:NOTES_SHOWN]
        if more := len(notes[NOTES_SHOWN:]):
            yield f"the same of {more:,} more files; the run's log names them"
        if dropped := sum(told.get("dropped", {}).values()):
            yield f"repeated records left out of silver: {dropped:,}"


def _warnings(events: Sequence[dg.DagsterEvent]) -> Iterator[str]:
    """Yield which figures stand out, and which checks warn."""
    for event in events:
        if event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        check = event.asset_check_evaluation_data
        figure = check.metadata["value"].value
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
            # The phase's error says so already.
            continue
        if check.check_name == OUTSIDE_DAY and figure:
            why = f". {check.description}" if check.description else ""
            yield f"{figure:.2%} of the flows began outside of the day{why}"
        if not check.passed:
            yield check.description or f"{check.check_name} does not hold: {figure:.4g}"


def _before_first_phase(events: Sequence[dg.DagsterEvent]) -> str:
    """Return why a run failed before its first phase, as when one of its resources cannot be made."""
    for event in events:
        if event.event_type is dg.DagsterEventType.RUN_FAILURE and event.job_failure_data.error:
            return _unforeseen(event.job_failure_data.error)
    return "the run failed before its first phase. Read its log in `cybersec ui`."


def _unforeseen(error: SerializableErrorInfo | None) -> str:
    """Return the root cause of an error. The project's own errors say themselves what to do."""
    if error is None:
        return f"the run failed.{READ_LOG}"
    cause = error
    while cause.cause:
        cause = cause.cause
    name, _, text = cause.message.partition(": ")
    if cause.cls_name in OWN_ERRORS and name.rpartition(".")[2] == cause.cls_name:
        return shortened(text)
    message = shortened(cause.message, LINE_CHARS - len(READ_LOG) - 1)
    return f"{message.rstrip('.')}.{READ_LOG}"
