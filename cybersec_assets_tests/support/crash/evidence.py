"""What lies in PostgreSQL and MinIO, by plain SQL and a plain S3 client, and what is wrong with it.

Nothing here is the package's own code: what is checked must not vouch for itself.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from cybersec_assets.failpoints import Point
from cybersec_assets_tests.support.crash.worker_processes import Death, passes_of
from cybersec_assets_tests.support.servers.workbench import BUCKETS, Workbench, s3_client

HEADS = "audit-heads/"
NAMELESS = ""
"""The run of a reader, which is none of Dagster's."""
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


class Wrong(StrEnum):
    """What may be wrong."""

    LOST = "a SUCCESS or STARTED that a worker saw committed is not there"
    INVENTED = "there is a SUCCESS or STARTED that no worker sent"
    DOUBLED = "an execution has two ends"
    ROW = "entry and row do not belong to each other"
    UNSTARTED = "an end without a beginning"
    NO_OBJECT = "a SUCCESS without its object"
    OTHER_OBJECT = "a SUCCESS whose object has other bytes"
    READER = "a reader got something else than the last audited object, whole"
    OPEN = "a STARTED without its end"


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
class Evidence:
    """What was found: the database at one moment, and the listing of the objects after it, by URI and with ETag."""

    entries: list[Entry]
    rows: list[Row]
    objects: dict[str, str]

    def successes(self) -> list[Row]:
        """Give the rows that name an object, the oldest first."""
        return sorted((row for row in self.rows if row.state == "SUCCESS"), key=lambda row: row.seq)

    def orphans(self) -> set[str]:
        """Give the objects that no row names."""
        return set(self.objects) - {row.uri for row in self.successes()}


class Detective:
    """Gather evidence, and say what is wrong.

    Args:
        bench: Whose database and buckets.
    """

    def __init__(self, bench: Workbench) -> None:
        """Begin with nothing known."""
        self._bench = bench
        self._s3 = s3_client(bench.minio)
        self._known = dict[tuple[str, str], tuple[int, str]]()

    def gather(self) -> Evidence:
        """Look at the database first: the object of a row that is there must be there for whoever looks later."""
        with self._bench.superuser(self._bench.database) as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(JOURNAL)
            entries = [Entry(*row) for row in cursor.fetchall()]
            cursor.execute(ROWS)
            rows = [Row(*row) for row in cursor.fetchall()]
            cursor.execute("COMMIT")
        return Evidence(entries, rows, dict(self._listed()))

    def faults(self, evidence: Evidence, deaths: Iterable[Death] = ()) -> list[tuple[Wrong, Any]]:
        """Say what is wrong, but for what only a reader or the end of a siege can tell."""
        heard = [fault for death in deaths for fault in _unlike_the_words(evidence, death)]
        return [*heard, *_wrong_ends(evidence), *_wrong_rows(evidence), *self._wrong_objects(evidence)]

    def read(self, uri: str) -> bytes:
        """Download an object."""
        bucket, _, name = uri.removeprefix("s3://").partition("/")
        return self._s3.get_object(Bucket=bucket, Key=name)["Body"].read()

    def _listed(self) -> Iterator[tuple[str, str]]:
        there = {one["Name"] for one in self._s3.list_buckets()["Buckets"]}
        for bucket in there & {f"{self._bench.prefix}-{name}" for name in BUCKETS}:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for found in page.get("Contents", []):
                    if not found["Key"].startswith(HEADS):
                        yield f"s3://{bucket}/{found['Key']}", found["ETag"]

    def _wrong_objects(self, evidence: Evidence) -> Iterator[tuple[Wrong, Any]]:
        for row in evidence.successes():
            if row.uri not in evidence.objects:
                yield Wrong.NO_OBJECT, row
            elif self._fingerprint(row.uri, evidence.objects[row.uri]) != (row.size, row.sha256):
                yield Wrong.OTHER_OBJECT, row

    def _fingerprint(self, uri: str, etag: str) -> tuple[int, str]:
        """Read an object, unless the very same was read before."""
        if (uri, etag) not in self._known:
            content = self.read(uri)
            self._known[uri, etag] = len(content), hashlib.sha256(content).hexdigest()
        return self._known[uri, etag]


def unended(evidence: Evidence) -> list[tuple[Wrong, Any]]:
    """Give what has begun and not ended."""
    ended = {entry[2:] for entry in evidence.entries if entry.kind != "STARTED"}
    return [(Wrong.OPEN, entry) for entry in evidence.entries if entry.kind == "STARTED" and entry[2:] not in ended]


def _unlike_the_words(evidence: Evidence, death: Death) -> Iterator[tuple[Wrong, Any]]:
    """Hold the journal against what a worker said before its end: it may have died between a deed and its word."""
    told = death.order
    for kind, said, sent in (
        ("STARTED", Point.STARTED_COMMITTED, Point.PHASE_OPENED),
        ("SUCCESS", Point.SUCCESS_COMMITTED, Point.SUCCESS_SENT),
    ):
        found = sum(
            (entry.kind, entry.day) == (kind, told.day) and _is_of(entry.run_id, told.run_id)
            for entry in evidence.entries
        )
        if found < passes_of([death], said):
            yield Wrong.LOST, (kind, death)
        if found > passes_of([death], sent):
            yield Wrong.INVENTED, (kind, death)


def _is_of(run_id: str, told: str | None) -> bool:
    """Tell whether an entry's run is a worker's: where it was told none it has the day to itself, but for readers."""
    return run_id == told if told else run_id != NAMELESS


def _wrong_ends(evidence: Evidence) -> Iterator[tuple[Wrong, Any]]:
    begun = {entry[2:]: entry.seq for entry in evidence.entries if entry.kind == "STARTED"}
    ends = [entry for entry in evidence.entries if entry.kind != "STARTED"]
    yield from ((Wrong.DOUBLED, which) for which, times in Counter(entry[2:] for entry in ends).items() if times > 1)
    yield from ((Wrong.UNSTARTED, entry) for entry in ends if begun.get(entry[2:], entry.seq) >= entry.seq)


def _wrong_rows(evidence: Evidence) -> Iterator[tuple[Wrong, Any]]:
    """Hold each end's row against it: one for each, and none else."""
    states = {"SUCCESS": "SUCCESS", "FAILED": "FAILED", "ABANDONED": "FAILED"}
    ends = Counter((states[entry.kind], entry.seq, *entry[2:]) for entry in evidence.entries if entry.kind in states)
    rows = Counter((row.state, row.seq, row.run_id, row.asset, row.day, row.attempt) for row in evidence.rows)
    for which in (ends - rows) + (rows - ends):
        yield Wrong.ROW, which
