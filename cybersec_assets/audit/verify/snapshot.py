"""What the database holds, as of one moment: the journal in order, each entry with the row that it speaks of."""

import datetime as dt
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice, pairwise
from queue import SimpleQueue
from typing import Any

import sqlalchemy as sa

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.chain import GENESIS
from cybersec_assets.audit.verify.entries import Entry
from cybersec_assets.audit.verify.findings import Damage, Finding
from cybersec_assets.audit.verify.protections import NAMES, QUERY, guard_faults
from cybersec_assets.audit.verify.protections import TABLES as GUARDED

BATCH = 4_000
AHEAD = 3
"""Batches that are fetched, or on their way, while one is looked at."""
LARGEST = 2**63 - 1
SETTINGS = (
    "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL datestyle = 'ISO'; "
    "SET LOCAL search_path = pg_catalog, pg_temp"
)
"""A whole history may take its time, and between two batches there may be large objects to read. The path is pinned
so that nobody's function stands in for one of PostgreSQL's."""
EXPORT = "SELECT pg_export_snapshot()"
BOUNDS = """
SELECT seq FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS place FROM public.audit_journal WHERE seq >= :first)
    AS placed WHERE place % :batch = 0 GROUP BY seq ORDER BY seq
"""
"""The last number of each batch: entries are counted, as the numbers of a damaged journal may lie far apart."""
PLAIN = """
'{"at": "' || replace(at::text, ' ', 'T') || '", "row": ' || CASE kind WHEN 'STARTED' THEN 'null' ELSE event END
|| ', "seq": ' || seq || ', "kind": "' || kind || '", "lock": ' || split_part(split_part(body, '"lock": ', 2), ',', 1)
|| ', "run_id": ' || to_json(run_id) || ', "attempt": ' || attempt || ', "asset_key": ' || to_json(asset_key)
|| ', "prev_hash": "' || prev_hash || '", "partition_key": ' || to_json(partition_key) || '}'
"""
"""An entry's text as its columns and its row make it up; the lock, which no column holds, is its own."""
DETAILS = ", ".join(
    f"CASE WHEN NOT is_plain THEN {value} END" for value in ("at::text", "run_id", "partition_key", "attempt", "event")
)
"""Sent only where they are needed to say what is wrong."""
FIRST_SINCE = "SELECT min(seq) FROM public.audit_journal WHERE at >= :since"
BEFORE = "SELECT hash FROM public.audit_journal WHERE seq < :first ORDER BY seq DESC LIMIT 1"
LAST = "SELECT max(seq) FROM public.audit_journal"
IS_REPLICA = "SELECT pg_is_in_recovery()"
LAGS = """
SELECT coalesce(max(seq), 0) < :count AND coalesce(timezone('utc', pg_last_xact_replay_timestamp()) < :time, true)
FROM public.audit_journal
"""
NAMED_BY = "SELECT count(*) FROM public.audit_journal WHERE prev_hash = :hash"
SUCCESSES = """
SELECT count(*) FROM (
    SELECT FROM public.audit_journal WHERE kind = 'SUCCESS' AND body NOT LIKE '%"lock": null%' LIMIT 2) AS ends
"""
"""An entry that an upgrade made has no lock, and no head was signed for it."""
SCOPE = "(:first = 1 OR coalesce(e.journal_seq, :first) >= :first)"
LATER_COLUMNS = ("rejected", "lines")
LATER = {
    "ingestion_events": " - ".join(
        [
            "to_jsonb({0})",
            *(
                f"CASE WHEN {{0}}.{name} IS NULL AND j.body NOT LIKE '%\"{name}\": null%' THEN '{name}' ELSE '' END"
                for name in LATER_COLUMNS
            ),
        ]
    )
}
"""A row without the columns that were added by a release after its entry, which does not contain them: a history of
such rows that is compared value by value would be checked at a quarter of the speed."""
TABLES = {asset: phase.table.name for asset, phase in PHASES.items()}


def _entries_query() -> str:
    """Ask for entries, and where one is not as its columns and its row say, for these as well.

    The database writes an entry's text as it writes jsonb: keys by length, then by bytes. So the text that the columns
    and the row make up is put together and compared as a whole, on the server: that takes a third of the time.
    """
    rows = ", ".join(LATER.get(table, "to_jsonb({0})").format(f"e{i}") for i, table in enumerate(TABLES.values()))
    ids = ", ".join(f"e{i}.id" for i in range(len(TABLES)))
    joins = " ".join(
        f"LEFT JOIN public.{table} e{i} ON e{i}.journal_seq = j.seq AND j.asset_key = '{asset}' "
        # Said of both sides, as the planner does not conclude it: it would read the table from its beginning.
        f"AND e{i}.journal_seq BETWEEN :first AND :last"
        for i, (asset, table) in enumerate(TABLES.items())
    )
    # OFFSET 0 keeps the planner from writing a row's text out once for each use of it.
    return f"""
        SELECT seq, kind, asset_key, body, prev_hash, hash, event_id, place, is_plain, {DETAILS} FROM (
            SELECT *, coalesce(body = {PLAIN}, false) AS is_plain FROM (
                SELECT j.*, coalesce({rows})::text AS event, coalesce({ids}) AS event_id, j.ctid::text AS place
                FROM public.audit_journal j {joins} WHERE j.seq BETWEEN :first AND :last OFFSET 0
            ) AS joined OFFSET 0
        ) AS compared ORDER BY seq
    """  # noqa: S608 - the names are the schema's


def _strays_query() -> str:
    """Ask for rows that no terminal entry speaks of, and for the second of two that claim the same."""
    # Two questions for each table: with OR in one the server would look up every row by itself.
    return " UNION ".join(
        f"""
        SELECT '{table}', e.id FROM public.{table} e WHERE {SCOPE} AND NOT EXISTS (
            SELECT FROM public.audit_journal j
            WHERE j.seq = e.journal_seq AND j.kind <> 'STARTED' AND j.asset_key = '{asset}')
        UNION SELECT '{table}', e.id FROM public.{table} e WHERE {SCOPE}
            AND e.journal_seq IN (SELECT journal_seq FROM public.{table} GROUP BY journal_seq HAVING count(*) > 1)
            AND EXISTS (SELECT FROM public.{table} o
                WHERE o.journal_seq = e.journal_seq AND (o.id, o.ctid) < (e.id, e.ctid))
        """  # noqa: S608 - the names are the schema's
        for asset, table in TABLES.items()
    )


def _event_id(entry: Entry) -> int:
    return entry.event_id or 0


@contextmanager
def snapshot_of(engine: sa.Engine) -> "Iterator[Snapshot]":
    """Open a snapshot: two connections that see the same moment.

    Args:
        engine: Whose transactions see one moment each (REPEATABLE READ).
    """
    with engine.connect() as one, one.begin(), engine.connect() as other, other.begin():
        moment = one.execute(sa.text(EXPORT)).scalar_one()
        other.execute(sa.text(f"SET TRANSACTION SNAPSHOT '{moment}'"))
        for connection in (one, other):
            connection.execute(sa.text(SETTINGS))
        yield Snapshot(one, other)


class Snapshot:
    """Read the audit as of one moment.

    Args:
        connections: In transactions that see the same moment; as many batches are fetched at once.
    """

    def __init__(self, *connections: sa.Connection) -> None:
        """Begin."""
        self._idle = SimpleQueue[sa.Connection]()
        for connection in connections:
            self._idle.put(connection)
        self._readers = len(connections)

    def first_since(self, since: dt.datetime) -> int:
        """Give the number of the first entry that says it is of that time, UTC, or later; else the next one's."""
        return self._scalar(FIRST_SINCE, since=since) or (self._scalar(LAST) or 0) + 1

    def hash_before(self, first: int) -> str:
        """Give the hash that the entry of a number must name, as the journal itself has it."""
        before = self._rows(BEFORE, first=first)
        return str(before[0][0]) if before else GENESIS

    def is_replica(self) -> bool:
        """Tell whether the server follows another."""
        return bool(self._scalar(IS_REPLICA))

    def lags(self, count: int, time: dt.datetime) -> bool:
        """Tell whether some entries have not come to this replica yet.

        Where they came and were taken away again, the taking away is later than the head that covers them.

        Args:
            count: How many entries a head covers.
            time: When it was signed, UTC.
        """
        return bool(self._scalar(LAGS, count=count, time=time))

    def entries(self, first: int) -> Iterator[Entry]:
        """Give the entries from a number on, in order."""
        last = None
        for batch in self._batches(first):
            for row in batch:
                entry = tuple.__new__(Entry, row)
                if last is None or last.place != entry.place:
                    if last is not None:
                        yield last
                    last = entry
                else:
                    # Of several rows that claim an entry the first made is held against it, the others are strays.
                    last = min(last, entry, key=_event_id)
        if last is not None:
            yield last

    def _batches(self, first: int) -> Iterator[list[tuple[Any, ...]]]:
        """Give the entries' rows a batch at a time; the next ones are fetched while this one is looked at."""
        query = _entries_query()
        ends = (seq for (seq,) in self._rows(BOUNDS, first=first, batch=BATCH))
        ranges = pairwise([first - 1, *ends, LARGEST])
        with ThreadPoolExecutor(self._readers) as pool:
            fetches = (pool.submit(self._rows, query, first=before + 1, last=end) for before, end in ranges)
            ahead = deque(islice(fetches, AHEAD))
            while ahead:
                batch = ahead.popleft().result()
                ahead.extend(islice(fetches, 1))
                yield batch

    def rows_without_entry(self, first: int) -> list[Finding]:
        """Give the rows of event tables that no entry speaks of."""
        return [
            Finding(Damage.TABLES_APART, table, row, f"no entry of the journal speaks of row {row}")
            for table, row in self._rows(_strays_query(), first=first)
        ]

    def guards_that_are_off(self) -> list[Finding]:
        """Give what guards the tables no more, and what gets around it."""
        return list(guard_faults(self._rows(QUERY, tables=list(GUARDED), names=NAMES)))

    def has_signed_ends(self) -> bool:
        """Tell whether more than one SUCCESS was written by a worker, after each of which a head is signed."""
        return (self._scalar(SUCCESSES) or 0) > 1

    def is_named_twice(self, prev_hash: str) -> bool:
        """Tell whether two entries name the same one before them."""
        return (self._scalar(NAMED_BY, hash=prev_hash) or 0) > 1

    def _rows(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Ask on whichever connection is idle next: a connection answers one question at a time."""
        connection = self._idle.get()
        try:
            with connection.execute(sa.text(query), values) as result:
                # The driver's own rows: a million of SQLAlchemy's take half as long again to fetch.
                return list(result.cursor.fetchall()) if result.cursor else []
        finally:
            self._idle.put(connection)

    def _scalar(self, query: str, **values: object) -> int | None:
        found: int | None = self._rows(query, **values)[0][0]
        return found
