"""What `cybersec audit reconcile` does: dead phases are closed, and store and audit are held against each other.

open phases → their locks, twice → ABANDONED → a signed head → objects without a row, rows without their object
"""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa

from cybersec_assets.artifact import Artifact
from cybersec_assets.audit.heads.head import PREFIX
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.queries import Row
from cybersec_assets.audit.journal.tables import audit_journal
from cybersec_assets.definitions import audit_from, heads_from, store_from
from cybersec_assets.defs.io_managers import KINDS
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.quarantine import QUARANTINED
from cybersec_assets.defs.resources.reconciliation import is_over_in, reconcile
from cybersec_assets.errors import ObjectMissingError, StoreError
from cybersec_assets.operations.run_day import use_instance
from cybersec_assets.settings import Settings
from cybersec_assets.stores.base import CHECKS, ObjectStore, split_uri, utc_now


@dataclass(frozen=True)
class Reconciled:
    """What was found, and what was done about it.

    Attributes:
        abandoned: The phases that were closed.
        alive: How many phases are open and live.
        orphans: Objects that no row names: `uri` and `modified`.
        deleted: The orphans that were deleted or, in a dry run, would be: old objects with the names of a run's files.
        damaged: Rows whose object is gone or changed: `table`, `row`, `uri` and `what`.
    """

    abandoned: list[dict[str, Any]]
    alive: int
    orphans: list[dict[str, Any]]
    deleted: list[str]
    damaged: list[dict[str, Any]]


def reconcile_all(
    settings: Settings, grace: float, *, delete_older_than: dt.timedelta | None = None, dry_run: bool = True
) -> Reconciled:
    """Close what is dead, and take stock.

    Args:
        settings: Where everything is.
        grace: For how many seconds a lock must stay free where a run is not known to be over.
        delete_older_than: Delete orphan objects of that age; none, if not given.
        dry_run: Tell what would be deleted instead.

    Raises:
        NoRecordError: No run has made the audit yet.
        AuditError: The audit is away.
        StoreError: The store is away, or belongs to another audit, so that nothing may be deleted.
    """
    store, prefix = store_from(settings).open(), settings.cybersec_bucket_prefix
    with audit_from(settings).session() as audit, ExitStack() as stack:
        # Beside an audit that does not exist every object would be an orphan.
        audit.require()
        if delete_older_than is not None:
            _require_own_store(settings, audit)
        use_instance(settings.cybersec_home)
        instance = stack.enter_context(dg.DagsterInstance.get())
        closed, open_count = _close_dead(audit, settings.cybersec_home, grace, instance)
        # Listed before the rows are read: an object whose row comes meanwhile is no orphan.
        objects = list(_objects(store, prefix))
        recorded = audit.ask().objects()
        named = {artifact.uri for _, artifact in recorded}
        orphans = [each for each in objects if each["uri"] not in named]
        before = utc_now() - delete_older_than if delete_older_than else None
        old = [
            str(each["uri"])
            for each in orphans
            if before and each["modified"] < before and _is_ours(prefix, str(each["uri"]))
        ]
        for uri in [] if dry_run else old:
            store.delete(*split_uri(uri))
        return Reconciled([_told(phase) for phase in closed], open_count, orphans, old, list(_damaged(store, recorded)))


def _is_ours(prefix: str, uri: str) -> bool:
    """Return whether an object's bucket and name are those of a run's files, so that no other program owns it."""
    bucket, name = split_uri(uri)
    return any(bucket == f"{prefix}-{kind.bucket}" and kind.is_name(name) for kind in (*KINDS.values(), QUARANTINED))


def _require_own_store(settings: Settings, audit: AuditResource) -> None:
    """Refuse to delete from the store of another audit, where every object would look like an orphan.

    Raises:
        StoreError: The newest head in the store was not signed for an entry of this audit.
    """
    heads = heads_from(settings, audit)
    last = heads.last()
    head = heads.newest(last)
    entry = sa.select(audit_journal.c.hash).where(audit_journal.c.seq == (head.count if head else 0))
    found = audit.connect().statement(lambda connection: connection.execute(entry).scalar())
    if last and (head is None or found != head.hash):
        raise StoreError(
            f"head {last} in the object store was signed for another audit than {audit.location}",
            "Correct PG_DATABASE or CYBERSEC_BUCKET_PREFIX; nothing was deleted",
        )


def _close_dead(
    audit: AuditResource, home: Path, grace: float, instance: dg.DagsterInstance
) -> tuple[list[Phase], int]:
    journal, is_over = audit.journal(), is_over_in(instance)
    closed, doubtful, alive = reconcile(journal, home, grace, is_over)
    if doubtful:
        time.sleep(grace)
        more, doubtful, alive = reconcile(journal, home, grace, is_over)
        closed += more
    if (tail := journal.tail()) is not None:
        audit.heads.put(tail)
    return closed, alive


def _objects(store: ObjectStore, prefix: str) -> Iterator[dict[str, Any]]:
    for bucket in sorted({f"{prefix}-{kind.bucket}" for kind in KINDS.values()}):
        for entry in store.entries(bucket):
            if not entry.name.startswith((PREFIX, CHECKS)):
                yield {"uri": f"s3://{bucket}/{entry.name}", "modified": entry.modified}


def _damaged(store: ObjectStore, recorded: list[tuple[Row, Artifact]]) -> Iterator[dict[str, Any]]:
    for row, artifact in recorded:
        told = {"table": row["table_name"], "row": row["id"], "uri": artifact.uri}
        try:
            if store.fingerprint(*split_uri(artifact.uri)) != artifact.fingerprint:
                yield told | {"what": "changed"}
        except ObjectMissingError:
            yield told | {"what": "gone"}


def _told(phase: Phase) -> dict[str, Any]:
    return {"asset": phase.asset, "partition_key": phase.partition, "run_id": phase.run_id, "attempt": phase.attempt}
