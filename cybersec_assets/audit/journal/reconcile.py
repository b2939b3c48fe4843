"""Find open phases whose worker died, by their locks, and close them.

    STARTED without an end → its lock is free → its run is over, or the lock is still free after a while → ABANDONED

The lock alone is not enough, because a worker may lose its connection and take the lock again. Dagster's status is not
enough either, because the run of a killed process stays STARTED for ever. A run cannot wait for a second probe at its
start, so the times of earlier probes are kept in a file.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from cybersec_assets.audit.journal.journal import STARTED, Journal
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.tables import audit_journal
from cybersec_assets.errors import PhaseTakenError
from cybersec_assets.home.audit_folder import read_times, write_times
from cybersec_assets.postgres.database import Database

WHY = "its worker ended without a result"
GRACE_SECONDS = 30.0
RECENT = 10_000
"""How many of the newest entries a run checks at its start; the command checks all."""
PROBES = "audit/lock-probes.json"
EARLIER_PROBES = "audit/looks.json"
"""The same file of an earlier release, which is read as long as there is no new one."""
TRY_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(:lock)")
CLOCK = sa.text("SELECT extract(epoch FROM clock_timestamp())")
LockProbes = dict[str, float]
"""Since when a phase's lock has been free: seconds by the database's clock, by the lock's number as text."""


def reconcile(
    journal: Journal, home: Path, grace: float, is_over: Callable[[str], bool], recent: int | None = None
) -> tuple[list[Phase], list[Phase], int]:
    """Probe the locks of the open phases once, and close the phases that are dead.

    Args:
        journal: The journal.
        home: `CYBERSEC_HOME`, which keeps the results of earlier probes.
        grace: For how many seconds a lock must have been free, unless the run is known to be over.
        is_over: Whether a Dagster run is known to have ended.
        recent: How many of the newest entries to check; all by default.

    Returns:
        The closed phases, those whose lock has not been free for long enough, and the number of live phases.

    Raises:
        AuditError: The database cannot be reached, or a statement failed.
    """
    phases = open_phases(journal.database, recent)
    file = home / PROBES
    earlier = read_times(file if file.exists() else home / EARLIER_PROBES)
    probes = probe_locks(journal.database, phases, earlier) if phases else {}
    closed = abandon_dead(journal, phases, probes, grace, is_over)
    if probes or earlier or file.exists():
        write_times(file, probes)
    doubtful = [phase for phase in phases if str(phase.lock) in probes and phase not in closed]
    return closed, doubtful, len(phases) - len(closed) - len(doubtful)


def open_phases(database: Database, recent: int | None = None) -> list[Phase]:
    """Return the phases that have started and not ended, oldest first.

    Args:
        database: The audit's database.
        recent: How many of the newest entries to check; all by default.
    """
    end = audit_journal.alias()
    same = [audit_journal.c[name] == end.c[name] for name in ("run_id", "asset_key", "partition_key", "attempt")]
    query = (
        sa.select(audit_journal)
        .where(audit_journal.c.kind == STARTED, ~sa.exists().where(*same, end.c.kind != STARTED))
        .order_by(audit_journal.c.seq)
    )
    if recent is not None:
        newest = sa.select(sa.func.max(audit_journal.c.seq)).scalar_subquery()
        query = query.where(audit_journal.c.seq > newest - recent)
    lock = sa.cast(sa.cast(audit_journal.c.body, JSONB)["lock"].astext, sa.BigInteger)
    rows = database.statement(lambda connection: connection.execute(query.add_columns(lock.label("lock"))).all())
    return [Phase(row.asset_key, row.partition_key, row.run_id, row.attempt, row.lock) for row in rows]


def live_phases(database: Database, partition: str) -> list[Phase]:
    """Return a partition's open phases whose worker is alive, among the newest entries."""
    phases = [phase for phase in open_phases(database, RECENT) if phase.partition == partition]
    free = probe_locks(database, phases, {}) if phases else {}
    return [phase for phase in phases if str(phase.lock) not in free]


def probe_locks(database: Database, phases: list[Phase], earlier: Mapping[str, float]) -> LockProbes:
    """Return which phases' locks are free, each with the time since when every probe has found it free.

    Args:
        database: The audit's database.
        phases: The phases.
        earlier: The result of the previous probe.
    """
    now = _now(database)

    def free(connection: sa.Connection) -> list[int]:
        return [phase.lock for phase in phases if connection.execute(TRY_LOCK, {"lock": phase.lock}).scalar()]

    return {str(lock): earlier.get(str(lock), now) for lock in database.transaction(free)}


def abandon_dead(
    journal: Journal, phases: list[Phase], probes: LockProbes, grace: float, is_over: Callable[[str], bool]
) -> list[Phase]:
    """Close the phases that are dead, and return them.

    Args:
        journal: The journal.
        phases: The open phases.
        probes: The result of `probe_locks`.
        grace: See `reconcile`.
        is_over: See `reconcile`.

    Raises:
        AuditError: The database cannot be reached, or a statement failed.
    """
    closed = []
    now = _now(journal.database)
    for phase in phases:
        since = probes.get(str(phase.lock))
        if since is None or not (now - since >= grace or is_over(phase.run_id)):
            continue
        try:
            journal.abandon(phase, WHY)
        except PhaseTakenError:
            # It ended after the probe, or its worker took the lock again.
            continue
        closed.append(phase)
    return closed


def _now(database: Database) -> float:
    return float(database.statement(lambda connection: connection.execute(CLOCK).scalar_one()))
