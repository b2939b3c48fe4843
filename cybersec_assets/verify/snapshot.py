"""What the database holds, as of one moment: the journal in order, each entry with the row that it speaks of."""

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from cybersec_assets.audit.tables import PHASES
from cybersec_assets.verify.chain import GENESIS
from cybersec_assets.verify.entries import Entry
from cybersec_assets.verify.findings import Damage, Finding

BATCH = 4_000
SETTINGS = (
    "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL datestyle = 'ISO'; "
    "SET LOCAL cursor_tuple_fraction = 1"
)
"""A whole history may take its time, and between two batches there may be large objects to read. All rows will be
fetched, so the plan is to be the one that is fastest for all, not for the first."""
FIRST_SINCE = "SELECT min(seq) FROM public.audit_journal WHERE at >= :since"
BEFORE = "SELECT seq, hash FROM public.audit_journal WHERE seq < :first ORDER BY seq DESC LIMIT 1"
LAST = "SELECT max(seq) FROM public.audit_journal"
NAMED_BY = "SELECT count(*) FROM public.audit_journal WHERE prev_hash = :hash"
SUCCESSES = """
SELECT count(*) FROM (
    SELECT FROM public.audit_journal WHERE kind = 'SUCCESS' AND body NOT LIKE '%"lock": null%' LIMIT 2) AS ends
"""
"""An entry that an upgrade made has no lock, and no head was signed for it."""
TABLES = {asset: phase.table.name for asset, phase in PHASES.items()}


def _entries_query() -> str:
    rows = ", ".join(f"to_jsonb(e{i})" for i in range(len(TABLES)))
    ids = ", ".join(f"e{i}.id" for i in range(len(TABLES)))
    joins = " ".join(
        f"LEFT JOIN public.{table} e{i} ON e{i}.journal_seq = j.seq AND j.asset_key = '{asset}'"
        for i, (asset, table) in enumerate(TABLES.items())
    )
    return f"""
        SELECT j.seq, j.at::text, j.kind, j.run_id, j.asset_key, j.partition_key, j.attempt, j.body,
            j.prev_hash, j.hash, coalesce({rows})::text, coalesce({ids}), j.ctid::text
        FROM public.audit_journal j {joins} WHERE j.seq >= :first ORDER BY j.seq
    """  # noqa: S608 - the names are the schema's


def _strays_query() -> str:
    """Ask for rows that no terminal entry speaks of, and for the second of two that claim the same."""
    return " UNION ALL ".join(
        f"""
        SELECT '{table}', e.id FROM public.{table} e
        WHERE (:first = 1 OR coalesce(e.journal_seq, :first) >= :first) AND (
            NOT EXISTS (SELECT FROM public.audit_journal j WHERE j.seq = e.journal_seq AND j.kind <> 'STARTED'
                AND j.asset_key = '{asset}')
            OR EXISTS (SELECT FROM public.{table} o WHERE o.journal_seq = e.journal_seq
                AND (o.id, o.ctid) < (e.id, e.ctid)))
        """  # noqa: S608 - the names are the schema's
        for asset, table in TABLES.items()
    )


def _event_id(entry: Entry) -> int:
    return entry.event_id or 0


class Snapshot:
    """Read the audit in one transaction.

    Args:
        connection: In a transaction that sees one moment.
    """

    def __init__(self, connection: sa.Connection) -> None:
        """Begin."""
        self._connection = connection
        connection.execute(sa.text(SETTINGS))

    def begin(self, since: dt.datetime | None) -> tuple[int, str]:
        """Give the first entry's number, and the hash that it must name.

        Args:
            since: Where to begin, UTC; at the beginning, if not given.
        """
        first = 1
        if since is not None:
            found = self._scalar(FIRST_SINCE, since=since)
            first = found or (self._scalar(LAST) or 0) + 1
        before = self._connection.execute(sa.text(BEFORE), {"first": first}).one_or_none()
        return first, str(before.hash) if before else GENESIS

    def entries(self, first: int) -> Iterator[Entry]:
        """Give the entries in order, a batch at a time; the next one is fetched while this one is looked at."""
        streaming = self._connection.execution_options(stream_results=True, max_row_buffer=BATCH)
        rows = streaming.execute(sa.text(_entries_query()), {"first": first})
        with ThreadPoolExecutor(1) as ahead:
            batch, last = rows.fetchmany(BATCH), None
            while batch:
                following = ahead.submit(rows.fetchmany, BATCH)
                for row in batch:
                    entry = tuple.__new__(Entry, row)
                    if last is None or last.place != entry.place:
                        if last is not None:
                            yield last
                        last = entry
                    else:
                        # Of several rows that claim an entry the first made is held against it, the others are strays.
                        last = min(last, entry, key=_event_id)
                batch = following.result()
            if last is not None:
                yield last

    def rows_without_entry(self, first: int) -> Iterator[Finding]:
        """Give the rows of event tables that no entry speaks of."""
        for table, row in self._connection.execute(sa.text(_strays_query()), {"first": first}):
            yield Finding(Damage.TABLES_APART, table, row, f"no entry of the journal speaks of row {row}")

    def has_signed_ends(self) -> bool:
        """Tell whether more than one SUCCESS was written by a worker, after each of which a head is signed."""
        return self._scalar(SUCCESSES) > 1

    def is_named_twice(self, prev_hash: str) -> bool:
        """Tell whether two entries name the same one before them; asked elsewhere, as entries are being fetched."""
        with self._connection.engine.connect() as other:
            return int(other.execute(sa.text(NAMED_BY), {"hash": prev_hash}).scalar_one()) > 1

    def _scalar(self, query: str, **values: object) -> int:
        return self._connection.execute(sa.text(query), values).scalar()  # type: ignore[return-value]
