"""What `cybersec stores prune` does: runs that ended long ago leave Dagster's database. The audit is another one.

    ended long ago → is a partition's newest materialization of this run?
                     ├── no:  the run goes, with all that it logged
                     └── yes: it stays, with its events of assets, checks and the run itself; the others go

By those materializations alone Dagster knows which days are made: without them it would show them as missing.
"""

import os
from dataclasses import dataclass

from cybersec_assets.errors import SettingsError
from cybersec_assets.operations.provision import dagster_database
from cybersec_assets.settings import Settings


@dataclass(frozen=True)
class Pruned:
    """What was done.

    Attributes:
        deleted: How many runs went.
        kept: How many ended long ago, and stay.
        events: How many events of those went.
    """

    deleted: int
    kept: int
    events: int


def prune(settings: Settings, days: int) -> Pruned:
    """Delete what nobody needs of runs that ended so many days ago.

    Raises:
        SettingsError: The environment names no instance of Dagster's, or not its database.
        AuditError: The database refuses, or is away.
    """
    if not os.environ.get("DAGSTER_HOME"):
        raise SettingsError("DAGSTER_HOME is not set", "Set it to the folder of the instance's dagster.yaml")
    import dagster as dg

    database = dagster_database(settings)
    needed_by_run = database.ended_before(days)
    deleted = [run_id for run_id, needed in needed_by_run.items() if not needed]
    kept = [run_id for run_id, needed in needed_by_run.items() if needed]
    with dg.DagsterInstance.get() as instance:
        for run_id in deleted:
            # Dagster deletes the run first: of one that is interrupted there, nobody would ever find the events again.
            instance.event_log_storage.delete_events(run_id)
            instance.delete_run(run_id)
    return Pruned(len(deleted), len(kept), database.thin_out(kept))
