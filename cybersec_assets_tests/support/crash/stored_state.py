"""What PostgreSQL and MinIO hold, read with plain SQL and a plain S3 client, and the faults in it.

Nothing here uses the package's own readers: what is checked must not check itself.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from cybersec_assets.failpoints import Point
from cybersec_assets_tests.support.crash.worker_processes import WorkerResult, passes_of
from cybersec_assets_tests.support.servers.workbench import BUCKETS, Workbench, s3_client

HEADS = "audit-heads/"
READER_RUN = ""
"""The run id of a reader outside of a Dagster run."""
JOURNAL = "SELECT seq, kind, run_id, asset_key, partition_key, attempt FROM audit_journal ORDER BY seq"
ROWS = """
SELECT 'raw/network_events', journal_seq, estado, run_id, partition_key, attempt, ruta_minio, sha256, size_bytes
FROM ingestion_events UNION ALL
SELECT 'silver/network_events', journal_seq, estado, run_id, partition_key, attempt, ruta_minio, sha256, size_bytes
FROM transformation_events UNION ALL
SELECT 'gold/isolation_forest', journal_seq, estado, run_id, partition_key, attempt, ruta_modelo, sha256, size_bytes
FROM training_events UNION ALL
SELECT 'gold/evaluation', journal_seq, estado, run_id, partition_key, attempt, ruta_resultados, sha256, size_bytes
FROM evaluation_events
"""


class Fault(StrEnum):
    """What may be wrong."""

    LOST = "a SUCCESS or STARTED that a worker saw committed is missing"
    INVENTED = "a SUCCESS or STARTED exists that no worker sent"
    DOUBLED = "an execution has two ends"
    ROW = "an entry and its row do not match"
    UNSTARTED = "an end without a start"
    NO_OBJECT = "a SUCCESS without its object"
    OTHER_OBJECT = "a SUCCESS whose object has other bytes"
    READER = "a reader got something other than the whole of the last audited object"
    OPEN = "a STARTED without an end"


class Entry(NamedTuple):
    """An entry of the journal."""

    seq: int
    kind: str
    run_id: str
    asset: str
    day: str
    attempt: int


class Row(NamedTuple):
    """A row of an event table."""

    asset: str
    seq: int
    state: str
    run_id: str
    day: str
    attempt: int
    uri: str
    sha256: str | None
    size: int | None


@dataclass(frozen=True)
class StoredState:
    """The database at one moment, and the objects listed after it, by URI with their ETags."""

    entries: list[Entry]
    rows: list[Row]
    objects: dict[str, str]

    def successes(self) -> list[Row]:
        """Return the rows that name an object, the oldest first."""
        return sorted((row for row in self.rows if row.state == "SUCCESS"), key=lambda row: row.seq)

    def orphans(self) -> set[str]:
        """Return the objects that no row names."""
        return set(self.objects) - {row.uri for row in self.successes()}


class StateReader:
    """Read the stored state and find faults in it.

    Args:
        bench: The database and buckets to read.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._s3 = s3_client(bench.minio)
        self._known = dict[tuple[str, str], tuple[int, str]]()

    def read_state(self) -> StoredState:
        """Read the database first: an object that a row names must exist for every later reader."""
        with self._bench.superuser(self._bench.database) as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(JOURNAL)
            entries = [Entry(*row) for row in cursor.fetchall()]
            cursor.execute(ROWS)
            rows = [Row(*row) for row in cursor.fetchall()]
            cursor.execute("COMMIT")
        return StoredState(entries, rows, dict(self._listed()))

    def faults(self, state: StoredState, results: Iterable[WorkerResult] = ()) -> list[tuple[Fault, Any]]:
        """Return the faults that do not need a reader or the end of all rounds to be seen."""
        reported = [fault for result in results for fault in _differences_from_reports(state, result)]
        return [*reported, *_end_faults(state), *_row_faults(state), *self._object_faults(state)]

    def download(self, uri: str) -> bytes:
        """Return the content of an object."""
        bucket, _, name = uri.removeprefix("s3://").partition("/")
        return self._s3.get_object(Bucket=bucket, Key=name)["Body"].read()

    def _listed(self) -> Iterator[tuple[str, str]]:
        existing = {bucket["Name"] for bucket in self._s3.list_buckets()["Buckets"]}
        for bucket in existing & {f"{self._bench.prefix}-{name}" for name in BUCKETS}:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for found in page.get("Contents", []):
                    if not found["Key"].startswith(HEADS):
                        yield f"s3://{bucket}/{found['Key']}", found["ETag"]

    def _object_faults(self, state: StoredState) -> Iterator[tuple[Fault, Any]]:
        for row in state.successes():
            if row.uri not in state.objects:
                yield Fault.NO_OBJECT, row
            elif self._fingerprint(row.uri, state.objects[row.uri]) != (row.size, row.sha256):
                yield Fault.OTHER_OBJECT, row

    def _fingerprint(self, uri: str, etag: str) -> tuple[int, str]:
        """Return the size and SHA-256 of an object, which is downloaded once for each ETag."""
        if (uri, etag) not in self._known:
            content = self.download(uri)
            self._known[uri, etag] = len(content), hashlib.sha256(content).hexdigest()
        return self._known[uri, etag]


def open_phases(state: StoredState) -> list[tuple[Fault, Any]]:
    """Return a fault for each phase that has started and not ended."""
    ended = {entry[2:] for entry in state.entries if entry.kind != "STARTED"}
    return [(Fault.OPEN, entry) for entry in state.entries if entry.kind == "STARTED" and entry[2:] not in ended]


def _differences_from_reports(state: StoredState, result: WorkerResult) -> Iterator[tuple[Fault, Any]]:
    """Compare the journal with the points that a worker reported.

    A worker may be killed between an action and its report, so that the journal may have more than was reported as
    committed, but never more than was reported as sent.
    """
    order = result.order
    for kind, committed, sent in (
        ("STARTED", Point.STARTED_COMMITTED, Point.PHASE_OPENED),
        ("SUCCESS", Point.SUCCESS_COMMITTED, Point.SUCCESS_SENT),
    ):
        found = sum(
            (entry.kind, entry.day) == (kind, order.day) and _is_run(entry.run_id, order.run_id)
            for entry in state.entries
        )
        if found < passes_of([result], committed):
            yield Fault.LOST, (kind, result)
        if found > passes_of([result], sent):
            yield Fault.INVENTED, (kind, result)


def _is_run(run_id: str, ordered: str | None) -> bool:
    """Return whether an entry is of a worker's run. Without an ordered run, only readers share the worker's day."""
    return run_id == ordered if ordered else run_id != READER_RUN


def _end_faults(state: StoredState) -> Iterator[tuple[Fault, Any]]:
    started = {entry[2:]: entry.seq for entry in state.entries if entry.kind == "STARTED"}
    ends = [entry for entry in state.entries if entry.kind != "STARTED"]
    yield from ((Fault.DOUBLED, which) for which, times in Counter(entry[2:] for entry in ends).items() if times > 1)
    yield from ((Fault.UNSTARTED, entry) for entry in ends if started.get(entry[2:], entry.seq) >= entry.seq)


def _row_faults(state: StoredState) -> Iterator[tuple[Fault, Any]]:
    """Yield the ends without a row of their own, and the rows without an end."""
    states = {"SUCCESS": "SUCCESS", "FAILED": "FAILED", "ABANDONED": "FAILED"}
    ends = Counter((states[entry.kind], entry.seq, *entry[2:]) for entry in state.entries if entry.kind in states)
    rows = Counter((row.state, row.seq, row.run_id, row.asset, row.day, row.attempt) for row in state.rows)
    for which in (ends - rows) + (rows - ends):
        yield Fault.ROW, which
