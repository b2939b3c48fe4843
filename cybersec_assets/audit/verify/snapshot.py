"""Read the database as of one moment: the journal in order, and the event rows that refer to each entry."""

import datetime as dt
import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.entries import GENESIS, EventRow, JournalRow
from cybersec_assets.audit.verify.findings import Finding
from cybersec_assets.audit.verify.protections import PROTECTED, PROTECTION_NAMES, PROTECTIONS, check_protections

BATCH = 1_000
"""Rows that a cursor fetches at once."""
LARGEST = 2**63 - 1
"""The number by which event rows are sorted that refer to no entry."""
TABLES = {asset: phase.table.name for asset, phase in PHASES.items()}
SETTINGS = """
SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0;
SET LOCAL search_path = pg_catalog, pg_temp
"""
"""Reading a whole history may take hours. With this path no function can replace one of PostgreSQL's."""
ENTRIES = """
SELECT seq, to_jsonb(at) #>> '{}', kind, run_id, asset_key, partition_key, attempt, body, prev_hash, hash
FROM public.audit_journal WHERE seq >= :first ORDER BY seq, ctid
"""
_ALL_EVENTS = " UNION ALL ".join(
    f"SELECT '{asset}' AS asset, journal_seq, id, to_jsonb(e)::text AS content, ctid AS place FROM public.{table} e"  # noqa: S608 - the names are the schema's
    for asset, table in TABLES.items()
)
EVENT_ROWS = f"""
SELECT journal_seq, asset, id, content FROM ({_ALL_EVENTS}) AS events
WHERE :first = 1 OR coalesce(journal_seq, :first) >= :first ORDER BY journal_seq, asset, id, place
"""  # noqa: S608 - the names are the schema's


@contextmanager
def open_snapshot(engine: sa.Engine) -> "Iterator[Snapshot]":
    """Yield a snapshot of the database, in one read-only transaction."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.execution_options(**options).connect() as connection, connection.begin():
        connection.execute(sa.text(SETTINGS))
        yield Snapshot(connection)


class Snapshot:
    """Read the audit as of one moment.

    Args:
        connection: A connection in a transaction that sees one moment.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def entries_and_rows(self, first: int) -> Iterator[tuple[list[JournalRow], list[EventRow]]]:
        """Yield, for each number in order, the entries with this number and the event rows that refer to it."""
        entries: Iterator[JournalRow | EventRow] = map(JournalRow._make, self._stream(ENTRIES, first=first))
        rows: Iterator[JournalRow | EventRow] = map(EventRow._make, self._stream(EVENT_ROWS, first=first))
        for _, group in groupby(heapq.merge(entries, rows, key=_number), key=_number):
            found = list(group)
            yield (
                [row for row in found if isinstance(row, JournalRow)],
                [row for row in found if isinstance(row, EventRow)],
            )

    def first_since(self, since: dt.datetime) -> int:
        """Return the number of the first entry whose time, in UTC, is not before `since`, or the next free number."""
        first = self._scalar("SELECT min(seq) FROM public.audit_journal WHERE at >= :since", since=since)
        return first or (self._scalar("SELECT max(seq) FROM public.audit_journal") or 0) + 1

    def last_seq(self) -> int:
        """Return the number of the last entry, or 0."""
        return int(self._scalar("SELECT coalesce(max(seq), 0) FROM public.audit_journal"))

    def hash_before(self, first: int) -> str:
        """Return the hash of the entry before a number."""
        query = "SELECT coalesce(hash, '') FROM public.audit_journal WHERE seq < :first ORDER BY seq DESC LIMIT 1"
        found: str | None = self._scalar(query, first=first)
        return GENESIS if found is None else found

    def is_replica(self) -> bool:
        """Return whether the server is a replica."""
        return bool(self._scalar("SELECT pg_is_in_recovery()"))

    def lags(self, count: int, time: dt.datetime) -> bool:
        """Return whether this replica has not received some entries yet.

        If it received them and they were deleted, its last commit is later than the head that covers them.

        Args:
            count: The number of entries that a head covers.
            time: The time of the head, UTC.
        """
        query = """
            SELECT coalesce(max(seq), 0) < :count
                AND coalesce(timezone('utc', pg_last_xact_replay_timestamp()) < :time, true) FROM public.audit_journal
        """
        return bool(self._scalar(query, count=count, time=time))

    def protection_findings(self) -> list[Finding]:
        """Return which protections of the tables are missing or changed, and what bypasses them."""
        found = self._connection.execute(sa.text(PROTECTIONS), {"tables": list(PROTECTED), "names": PROTECTION_NAMES})
        return list(check_protections(tuple(row) for row in found))

    def has_signed_successes(self) -> bool:
        """Return whether a worker wrote more than one SUCCESS; it signs a head after each."""
        # An entry that a migration wrote has no lock, and no head was signed for it.
        query = """
            SELECT count(*) FROM (SELECT FROM public.audit_journal
                WHERE kind = 'SUCCESS' AND body NOT LIKE '%"lock": null%' LIMIT 2) AS signed
        """
        return bool(self._scalar(query) > 1)

    def has_two_successors(self, prev_hash: str) -> bool:
        """Return whether more than one entry has this previous hash."""
        query = "SELECT count(*) FROM public.audit_journal WHERE prev_hash = :hash"
        return bool(self._scalar(query, hash=prev_hash) > 1)

    def _stream(self, query: str, **values: object) -> Iterator[sa.Row[Any]]:
        """Yield a query's rows from a cursor on the server."""
        with self._connection.execute(sa.text(query), values, execution_options={"yield_per": BATCH}) as rows:
            yield from rows

    def _scalar(self, query: str, **values: object) -> Any:
        return self._connection.execute(sa.text(query), values).scalar()


def _number(row: JournalRow | EventRow) -> int:
    return LARGEST if row.seq is None else row.seq
