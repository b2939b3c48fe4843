"""Delete old runs from Dagster's database (`cybersec stores prune`). The audit is another database and stays complete.

    Has an old run the newest materialization of a partition?
    ├── no:  delete the run and all of its events
    └── yes: keep the run and its events of assets, of checks and of the run itself; delete its other events

Without these materializations, Dagster would show the days as missing.
"""

import os
from dataclasses import dataclass

from cybersec_assets.errors import SettingsError
from cybersec_assets.operations.provision import dagster_database
from cybersec_assets.settings import Settings


@dataclass(frozen=True)
class Pruned:
    """The result of `prune`.

    Attributes:
        deleted: The number of deleted runs.
        kept: The number of old runs that were kept.
        events: The number of deleted events of the kept runs.
    """

    deleted: int
    kept: int
    events: int


def prune(settings: Settings, days: int) -> Pruned:
    """Delete the unneeded data of runs that ended more than `days` ago.

    Raises:
        SettingsError: Dagster's instance or its database is not set.
        AuditError: The database refuses, or cannot be reached.
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
            # Dagster deletes the run first. If that were interrupted, its events would never be found again.
            instance.event_log_storage.delete_events(run_id)
            instance.delete_run(run_id)
    return Pruned(len(deleted), len(kept), database.thin_out(kept))
