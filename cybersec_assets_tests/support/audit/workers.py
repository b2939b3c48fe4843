"""What other processes do in these tests; apart, so that they load no more than they need."""

from pathlib import Path

import sqlalchemy as sa

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.postgres.database import Database


def append_many(url: str, worker: int, phases: int) -> None:
    """Start and fail some phases."""
    database = Database(sa.make_url(url))
    journal, assets = Journal(database), list(PHASES)
    for number in range(phases):
        # Two workers at a time are in the same run, and count its attempts together.
        asset, day = assets[number % len(assets)], f"2026-01-{number % 28 + 1:02}"
        phase = journal.start(f"run-{worker // 2}", asset, day, worker * 100_000 + number)
        journal.fail(phase, ValueError("it broke"))
    database.close()


def look_once(url: str, home: str, grace: float) -> tuple[int, int, int]:
    """Reconcile in this process, with Dagster knowing of no run; tell how many were closed, doubtful and alive."""
    from cybersec_assets.defs.resources.reconciliation import reconcile

    database = Database(sa.make_url(url))
    closed, doubtful, alive = reconcile(Journal(database), Path(home), grace, lambda _: False)
    database.close()
    return len(closed), len(doubtful), alive
