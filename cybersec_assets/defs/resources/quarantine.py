"""Where damaged lines are kept: an object beside the raw layer's, stored before the phase ends in whichever way."""

from pathlib import Path

from cybersec_assets.artifact import Artifact
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.defs.resources.scratch import ScratchResource
from cybersec_assets.flows.plan import DayLogs
from cybersec_assets.flows.quarantine import write_quarantine
from cybersec_assets.stores.base import Kind, store_file

QUARANTINED = Kind("raw", "network_events_rejected", ".parquet")


def store_rejected(rejected: Path, logs: DayLogs, store: ObjectStoreResource, scratch: ScratchResource) -> Artifact:
    """Store damaged records with their lines.

    Args:
        rejected: Parquet with the columns of ORIGIN.
        logs: Where they came from.
        store: Where to.
        scratch: Where the object is put together.

    Raises:
        StoreError: The store refuses.
    """
    file = scratch.new_file("quarantine.parquet")
    write_quarantine(rejected, logs, file)
    return store_file(store.open(), store.bucket_prefix, QUARANTINED, file)
