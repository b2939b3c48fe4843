"""The write path of the audit: a phase is started, and then it ends once.

    start → (the phase's work) → succeed, fail or, by somebody else, abandon

Every entry is written by the database's function `audit_append`, which takes sequence, time and hash under one lock
and writes the phase's row in the same transaction. Asking it twice for the same end comes to the same.
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

STARTED, SUCCESS, FAILED, ABANDONED = "STARTED", "SUCCESS", "FAILED", "ABANDONED"
APPEND = sa.text(
    "SELECT seq, attempt, hash FROM public.audit_append(:kind, :run_id, :asset, :partition, :attempt, :lock, :details)"
).bindparams(sa.bindparam("details", type_=JSONB))


@dataclass(frozen=True)
class Entry:
    """What the database says of an entry that it wrote: its place in the chain, and its hash."""

    seq: int
    attempt: int
    hash: str


class Journal:
    """Write phases down.

    Args:
        database: Where to.
        made_by: The columns `code_version` and `libraries` of every row.
    """

    def __init__(self, database: Database, made_by: Mapping[str, object] | None = None) -> None:
        """Note where to write."""
        self.database = database
        self.made_by = dict(made_by or {})

    def start(self, run_id: str, asset: str, partition: str, lock: int) -> Phase:
        """Begin a phase.

        Args:
            run_id: The Dagster run.
            asset: The asset's key.
            partition: The day.
            lock: The advisory lock that the worker holds, a number of its own.

        Raises:
            AuditError: It cannot be written: the phase must not work.
        """
        phase = Phase(asset, partition, run_id, attempt=0, lock=lock)
        phase.attempt = self._append(STARTED, phase, {}).attempt
        hit(Point.STARTED_COMMITTED)
        return phase

    def succeed(self, phase: Phase, artifact: Artifact) -> Entry:
        """Write SUCCESS for an object that is stored and was read back.

        Raises:
            PhaseTakenError: Somebody took its worker for dead.
            AuditError: It could not be written, or a fact is not known.
        """
        table = PHASES[phase.asset]
        if missing := sorted(set(table.facts) - set(phase.facts)):
            # A made-up value would be a false record.
            raise AuditError(f"{phase.asset} recorded no {', '.join(missing)}", "Record it in the asset's phase")
        entry = self._append(SUCCESS, phase, table.success(phase.facts, artifact))
        hit(Point.SUCCESS_COMMITTED)
        return entry

    def fail(self, phase: Phase, error: BaseException) -> Entry:
        """Write FAILED with the error's first line.

        Raises:
            PhaseTakenError: Somebody took its worker for dead.
            AuditError: It could not be written.
        """
        return self._append(FAILED, phase, PHASES[phase.asset].failure(phase.facts) | {"error": first_line(error)})

    def abandon(self, phase: Phase, why: str) -> Entry:
        """Write ABANDONED for a phase whose worker is gone; the database looks once more at its lock.

        Raises:
            PhaseTakenError: It has ended meanwhile.
            AuditError: Its worker lives, or it could not be written.
        """
        return self._append(ABANDONED, phase, PHASES[phase.asset].failure(phase.facts) | {"error": why})

    def tail(self) -> Entry | None:
        """Give the last entry, if there is one.

        Raises:
            AuditError: It cannot be read.
        """
        columns = (audit_journal.c.seq, audit_journal.c.attempt, audit_journal.c.hash)
        query = sa.select(*columns).order_by(audit_journal.c.seq.desc()).limit(1)
        row = self.database.statement(lambda connection: connection.execute(query).one_or_none())
        return row and Entry(*row)

    def _append(self, kind: str, phase: Phase, details: Mapping[str, object]) -> Entry:
        values: dict[str, Any] = {
            "kind": kind,
            "run_id": phase.run_id,
            "asset": phase.asset,
            "partition": phase.partition,
            "attempt": phase.attempt,
            "lock": phase.lock,
            # Nobody can delete a secret from the audit.
            "details": redact_record(dict(details) | {"inputs": phase.inputs}) | self.made_by,
        }

        def work(connection: sa.Connection) -> Entry:
            entry = Entry(*connection.execute(APPEND, values).one())
            if kind == SUCCESS:
                hit(Point.SUCCESS_SENT)
            return entry

        return self.database.transaction(work) if kind == SUCCESS else self.database.statement(work)
