"""Phases whose worker died without a word, found by their locks and closed.

    STARTED without an end → its lock is free → its run is over, or the lock is free again a while later → ABANDONED

The lock alone is not enough, as a worker may lose its connection and take it again; nor is Dagster's word, as the run
of a process that was killed stays STARTED there for ever.
"""

from collections.abc import Callable, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from cybersec_assets.audit.journal.journal import STARTED, Journal
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.tables import audit_journal
from cybersec_assets.errors import PhaseTakenError
from cybersec_assets.postgres.database import Database

WHY = "its worker ended without a result"
RECENT = 10_000
"""How many entries back a run looks at its start; the command looks at all."""
TRY_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(:lock)")
CLOCK = sa.text("SELECT extract(epoch FROM clock_timestamp())")
Looks = dict[str, float]
"""Since when a phase's lock has been found free: seconds by the database's clock, by the lock's number as text."""


def open_phases(database: Database, recent: int | None = None) -> list[Phase]:
    """Give the phases that have started and not ended, the oldest first.

    Args:
        database: The audit's.
        recent: How many of the newest entries are looked at; all, if not given.
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


def look(database: Database, phases: list[Phase], seen: Mapping[str, float]) -> Looks:
    """Look at the phases' locks.

    Args:
        database: The audit's.
        phases: Which.
        seen: What earlier looks found.

    Returns:
        The locks that are free, each with the time of the first look that found it so without a break.
    """
    now = _now(database)

    def free(connection: sa.Connection) -> list[int]:
        return [phase.lock for phase in phases if connection.execute(TRY_LOCK, {"lock": phase.lock}).scalar()]

    return {str(lock): seen.get(str(lock), now) for lock in database.transaction(free)}


def live_phases(database: Database, partition: str) -> list[Phase]:
    """Return a partition's open phases whose worker lives, of the newest entries."""
    phases = [phase for phase in open_phases(database, RECENT) if phase.partition == partition]
    free = look(database, phases, {}) if phases else {}
    return [phase for phase in phases if str(phase.lock) not in free]


def abandon_dead(
    journal: Journal, phases: list[Phase], looks: Looks, grace: float, is_over: Callable[[str], bool]
) -> list[Phase]:
    """Close the phases that are dead.

    Args:
        journal: Where to write.
        phases: Those that are open.
        looks: What `look` found.
        grace: For how many seconds a lock must have been free where the run is not known to be over.
        is_over: Tells whether a Dagster run has come to its end.

    Returns:
        Those that were closed.

    Raises:
        AuditError: The database is away, or refuses.
    """
    closed, now = [], _now(journal.database)
    for phase in phases:
        since = looks.get(str(phase.lock))
        if since is None or not (now - since >= grace or is_over(phase.run_id)):
            continue
        try:
            journal.abandon(phase, WHY)
        except PhaseTakenError:
            # It ended, or its worker came back, between the look and now.
            continue
        closed.append(phase)
    return closed


def _now(database: Database) -> float:
    return float(database.statement(lambda connection: connection.execute(CLOCK).scalar_one()))
