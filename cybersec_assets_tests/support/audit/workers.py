"""Functions that tests run in other processes; this module imports little, so that these start fast."""

from pathlib import Path

import sqlalchemy as sa

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.postgres.database import Database


def append_many(url: str, worker: int, phases: int) -> None:
    """Start and fail phases."""
    database = Database(sa.make_url(url))
    journal = Journal(database)
    assets = list(PHASES)
    for number in range(phases):
        # Two workers share a run, and count its attempts together.
        asset = assets[number % len(assets)]
        day = f"2026-01-{number % 28 + 1:02}"
        phase = journal.start(f"run-{worker // 2}", asset, day, worker * 100_000 + number)
        journal.fail(phase, ValueError("it broke"))
    database.close()


def reconcile_once(url: str, home: str, grace: float) -> tuple[int, int, int]:
    """Reconcile where Dagster knows no run; return how many phases were closed, doubtful and alive."""
    from cybersec_assets.audit.journal.reconcile import reconcile

    database = Database(sa.make_url(url))
    closed, doubtful, alive = reconcile(Journal(database), Path(home), grace, lambda _: False)
    database.close()
    return len(closed), len(doubtful), alive
