"""The write path of the audit: a phase starts, and then it ends once.

    start → (the phase's work) → succeed, fail or, from another process, abandon

Every entry is written by the database's function `audit_append`, which takes sequence, time and hash under one lock
and writes the phase's row in the same transaction. It is idempotent: the same end, sent twice, is recorded once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from cybersec_assets.artifact import Artifact
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.tables import PHASES, audit_journal
from cybersec_assets.errors import AuditError, first_line
from cybersec_assets.failpoints import Point, hit
from cybersec_assets.postgres.database import Database
from cybersec_assets.redaction import redact_record

STARTED = "STARTED"
SUCCESS = "SUCCESS"
FAILED = "FAILED"
ABANDONED = "ABANDONED"
APPEND = sa.text(
    "SELECT seq, attempt, hash FROM public.audit_append(:kind, :run_id, :asset, :partition, :attempt, :lock, :details)"
).bindparams(sa.bindparam("details", type_=JSONB))


@dataclass(frozen=True)
class JournalEntry:
    """An entry as the database wrote it: its place in the chain, the phase's attempt, and its hash."""

    seq: int
    attempt: int
    hash: str


class Journal:
    """Append phases to the journal.

    Args:
        database: The audit's database.
        made_by: The columns `code_version` and `libraries` of every row.
    """

    def __init__(self, database: Database, made_by: Mapping[str, object] | None = None) -> None:
        self.database = database
        self.made_by = dict(made_by or {})

    def start(self, run_id: str, asset: str, partition: str, lock: int) -> Phase:
        """Record the start of a phase and return the phase.

        Args:
            run_id: The Dagster run.
            asset: The asset's key.
            partition: The day.
            lock: The number of the advisory lock that the worker holds for this phase only.

        Raises:
            AuditError: The entry cannot be written, so the phase must not run.
        """
        phase = Phase(asset, partition, run_id, attempt=0, lock=lock)
        phase.attempt = self._append(STARTED, phase, {}).attempt
        hit(Point.STARTED_COMMITTED)
        return phase

    def succeed(self, phase: Phase, artifact: Artifact) -> JournalEntry:
        """Record SUCCESS for an object that is stored and was read back.

        Raises:
            PhaseTakenError: Another process abandoned the phase.
            AuditError: The entry cannot be written, or the asset did not record a required fact.
        """
        table = PHASES[phase.asset]
        if missing := sorted(set(table.facts) - set(phase.facts)):
            # A default value would be a false record.
            raise AuditError(f"{phase.asset} recorded no {', '.join(missing)}", "Record it in the asset's phase")
        entry = self._append(SUCCESS, phase, table.success(phase.facts, artifact))
        hit(Point.SUCCESS_COMMITTED)
        return entry

    def fail(self, phase: Phase, error: BaseException) -> JournalEntry:
        """Record FAILED with the error's first line.

        Raises:
            PhaseTakenError: Another process abandoned the phase.
            AuditError: The entry cannot be written.
        """
        return self._append(FAILED, phase, PHASES[phase.asset].failure(phase.facts) | {"error": first_line(error)})

    def abandon(self, phase: Phase, why: str) -> JournalEntry:
        """Record ABANDONED for a phase whose worker died; the database checks the phase's lock once more.

        Raises:
            PhaseTakenError: The phase has ended meanwhile, or its worker is alive.
            AuditError: The entry cannot be written.
        """
        return self._append(ABANDONED, phase, PHASES[phase.asset].failure(phase.facts) | {"error": why})

    def tail(self) -> JournalEntry | None:
        """Return the last entry, or None where the journal is empty.

        Raises:
            AuditError: The journal cannot be read.
        """
        columns = (audit_journal.c.seq, audit_journal.c.attempt, audit_journal.c.hash)
        query = sa.select(*columns).order_by(audit_journal.c.seq.desc()).limit(1)
        row = self.database.statement(lambda connection: connection.execute(query).one_or_none())
        return row and JournalEntry(*row)

    def _append(self, kind: str, phase: Phase, details: Mapping[str, object]) -> JournalEntry:
        values: dict[str, Any] = {
            "kind": kind,
            "run_id": phase.run_id,
            "asset": phase.asset,
            "partition": phase.partition,
            "attempt": phase.attempt,
            "lock": phase.lock,
            # A secret in the audit could never be deleted.
            "details": redact_record(dict(details) | {"inputs": phase.inputs}) | self.made_by,
        }

        def work(connection: sa.Connection) -> JournalEntry:
            entry = JournalEntry(*connection.execute(APPEND, values).one())
            if kind == SUCCESS:
                hit(Point.SUCCESS_SENT)
            return entry

        return self.database.transaction(work) if kind == SUCCESS else self.database.statement(work)
