"""Closing dead phases, with a memory of what earlier looks found: a run cannot wait for a second look."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg

from cybersec_assets.audit.heads.keys import claim_audit_folder
from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.reconcile import Looks, abandon_dead, look, open_phases
from cybersec_assets.errors import SettingsError

GRACE_SECONDS = 30.0
MEMORY = "audit/looks.json"


def reconcile(
    journal: Journal, home: Path, grace: float, is_over: Callable[[str], bool], recent: int | None = None
) -> tuple[list[Phase], list[Phase], int]:
    """Look once at the open phases, and close those that are dead.

    Args:
        journal: Where to write.
        home: `CYBERSEC_HOME`, where the memory lies.
        grace: For how many seconds a lock must have been free where the run is not known to be over.
        is_over: Tells whether a Dagster run has come to its end.
        recent: How many of the newest entries are looked at; all, if not given.

    Returns:
        Those that were closed, those whose lock is free but too newly so, and how many live.

    Raises:
        AuditError: The database is away, or refuses.
    """
    phases = open_phases(journal.database, recent)
    looks = look(journal.database, phases, _remembered(home / MEMORY)) if phases else {}
    closed = abandon_dead(journal, phases, looks, grace, is_over)
    _remember(home / MEMORY, looks)
    doubtful = [phase for phase in phases if str(phase.lock) in looks and phase not in closed]
    return closed, doubtful, len(phases) - len(closed) - len(doubtful)


def is_over_in(instance: dg.DagsterInstance) -> Callable[[str], bool]:
    """Tell of a run whether Dagster knows it and knows it to be over."""

    def is_over(run_id: str) -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    return is_over


def _remembered(file: Path) -> Looks:
    try:
        known = json.loads(file.read_text())
        return {str(lock): float(since) for lock, since in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        # Without a memory a look is a first look.
        return {}


def _remember(file: Path, looks: Looks) -> None:
    if not looks and not file.exists():
        return
    # A home that cannot be written to, or holds somebody else's files there, has no memory: as good as a new one.
    with suppress(OSError, SettingsError):
        claim_audit_folder(file.parents[1])
        aside = file.with_name(f".{file.name}.{os.getpid()}")
        aside.write_text(json.dumps(looks))
        aside.replace(file)
