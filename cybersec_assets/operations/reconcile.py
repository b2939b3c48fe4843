"""Close the phases of dead processes, and compare the store with the audit (`cybersec audit reconcile`).

open phases → probe their locks twice → ABANDONED → signed head → objects without a row, rows without their object
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
from cybersec_assets.audit.journal.reconcile import reconcile
from cybersec_assets.audit.journal.tables import audit_journal
from cybersec_assets.definitions import audit_from, heads_from
from cybersec_assets.defs.assets.raw import QUARANTINED
from cybersec_assets.defs.io_managers import KINDS
from cybersec_assets.defs.resources.audit import AuditResource, is_over_in
from cybersec_assets.errors import ObjectMissingError, StoreError
from cybersec_assets.operations.run_day import use_instance
from cybersec_assets.settings import Settings
from cybersec_assets.stores.base import CHECKS, ObjectStore, split_uri, utc_now


@dataclass(frozen=True)
class Reconciled:
    """The result of `reconcile_all`.

    Attributes:
        abandoned: The phases that were closed.
        alive: The number of open phases whose process is alive.
        orphans: Objects that no row names: `uri` and `modified`.
        deleted: The orphans that were deleted or, in a dry run, would be. Only old objects with names of artifacts.
        damaged: Rows whose object is missing or changed: `table`, `row`, `uri` and `what`.
    """

    abandoned: list[dict[str, Any]]
    alive: int
    orphans: list[dict[str, Any]]
    deleted: list[str]
    damaged: list[dict[str, Any]]


def reconcile_all(
    settings: Settings, grace: float, *, delete_older_than: dt.timedelta | None = None, dry_run: bool = True
) -> Reconciled:
    """Close dead phases, and return what differs between the store and the audit.

    Args:
        settings: The store and the audit.
        grace: The seconds for which a lock must stay free if it is not known that the run has ended.
        delete_older_than: Delete orphan objects of this age. Default: none.
        dry_run: Return what would be deleted, and delete nothing.

    Raises:
        NoRecordError: The audit does not exist yet.
        AuditError: The audit cannot be reached.
        StoreError: The store cannot be reached, or belongs to another audit, so that nothing may be deleted.
    """
    prefix = settings.store.bucket_prefix
    with audit_from(settings).session() as audit, ExitStack() as stack:
        store = audit.store.open()
        # Without an audit, every object would be an orphan.
        audit.require()
        if delete_older_than is not None:
            _require_own_store(audit)
        use_instance(settings.home)
        instance = stack.enter_context(dg.DagsterInstance.get())
        closed, open_count = _close_dead(audit, settings.home, grace, instance)
        # The objects are listed before the rows, so that a row that is written in the meantime is not missed.
        objects = list(_objects(store, prefix))
        recorded = audit.ask().objects()
        named = {artifact.uri for _, artifact in recorded}
        orphans = [found for found in objects if found["uri"] not in named]
        old = list[str]()
        if delete_older_than is not None:
            before = utc_now() - delete_older_than
            old = [each["uri"] for each in orphans if each["modified"] < before and _is_ours(prefix, each["uri"])]
        for uri in [] if dry_run else old:
            store.delete(*split_uri(uri))
        abandoned = [
            {"asset": phase.asset, "partition_key": phase.partition, "run_id": phase.run_id, "attempt": phase.attempt}
            for phase in closed
        ]
        return Reconciled(abandoned, open_count, orphans, old, list(_damaged(store, recorded)))


def _is_ours(prefix: str, uri: str) -> bool:
    """Return whether an object has the bucket and name of an artifact, so that no other program owns it."""
    bucket, name = split_uri(uri)
    return any(bucket == f"{prefix}-{kind.bucket}" and kind.is_name(name) for kind in (*KINDS.values(), QUARANTINED))


def _require_own_store(audit: AuditResource) -> None:
    """Refuse to delete from the store of another audit, in which every object looks like an orphan.

    Raises:
        StoreError: The newest head in the store was not signed for an entry of this audit.
    """
    heads = heads_from(audit)
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
    journal = audit.journal()
    is_over = is_over_in(instance)
    closed, doubtful, alive = reconcile(journal, home, grace, is_over)
    if doubtful:
        time.sleep(grace)
        more, doubtful, alive = reconcile(journal, home, grace, is_over)
        closed += more
    tail = journal.tail()
    if tail is not None:
        audit.heads.append(tail)
    return closed, alive


def _objects(store: ObjectStore, prefix: str) -> Iterator[dict[str, Any]]:
    for bucket in sorted({f"{prefix}-{kind.bucket}" for kind in KINDS.values()}):
        for entry in store.entries(bucket):
            if not entry.name.startswith((PREFIX, CHECKS)):
                yield {"uri": f"s3://{bucket}/{entry.name}", "modified": entry.modified}


def _damaged(store: ObjectStore, recorded: list[tuple[Row, Artifact]]) -> Iterator[dict[str, Any]]:
    for row, artifact in recorded:
        details = {"table": row["table_name"], "row": row["id"], "uri": artifact.uri}
        try:
            if store.fingerprint(*split_uri(artifact.uri)) != artifact.fingerprint:
                yield details | {"what": "changed"}
        except ObjectMissingError:
            yield details | {"what": "gone"}
