"""Write a history of phases with small objects and signed heads, without a run."""

import base64
import datetime as dt
import random
import tempfile
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.audit.heads.writer import HeadWriter
from cybersec_assets.audit.journal.journal import ABANDONED, FAILED, SUCCESS, Journal, JournalEntry
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.defs.assets.raw import QUARANTINED
from cybersec_assets.defs.io_managers import KINDS
from cybersec_assets.phases import EVALUATION, MODEL, RAW
from cybersec_assets.stores.base import Kind, ObjectStore, store_file

PREFIX = "tested"
BEGIN = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
ENDS = (SUCCESS, SUCCESS, SUCCESS, SUCCESS, FAILED, ABANDONED)
LIBRARIES = {"code_version": "1+ab", "libraries": {"numpy": "2.0"}}
ERRORS = ("it broke", 'a "quoted" \\ path', "caf\u00e9 \u2028 \U0001f984", "a\tb\x7f\x1f")
"""Texts with characters that JSON can write in more than one way."""
LOCKS = count(1)


class Author:
    """Write phases, store their objects and sign a head after each.

    Args:
        journal: The journal.
        store: The store of objects and heads.
        key: The key that signs heads.
        rng: Decides how phases end.
    """

    def __init__(self, journal: Journal, store: ObjectStore, key: Ed25519PrivateKey, rng: random.Random) -> None:
        self.journal = Journal(journal.database, LIBRARIES)
        self.store = store
        self.keeper = HeadWriter(store, PREFIX, key)
        self.rng = rng
        self._seconds = count()

    def write(self, phases: int, *, signed: bool = True) -> None:
        """Write some phases of all assets in turn; some begin before the previous one has ended."""
        waiting = list[Phase]()
        for number in range(phases):
            waiting.append(self.start(number))
            if self.rng.random() < 0.2:
                continue
            while waiting:
                self.end(waiting.pop(0), self.rng.choice(ENDS), signed=signed)
        for phase in waiting:
            self.end(phase, SUCCESS, signed=signed)

    def start(self, number: int) -> Phase:
        """Start a phase; each round of the assets is for another day."""
        asset = list(PHASES)[number % len(PHASES)]
        day = (BEGIN + dt.timedelta(days=number // len(PHASES))).date().isoformat()
        return self.journal.start(f"run-{self.rng.randrange(10**9)}", asset, day, next(LOCKS))

    def end(self, phase: Phase, how: str, *, signed: bool = True) -> JournalEntry:
        """End a phase and sign a head. In the raw layer every second day has rejected lines."""
        if phase.asset == RAW.asset and how != ABANDONED and int(phase.partition[-2:]) % 2:
            phase.facts["rejected"] = self._store_rejected(f"lines of {phase.run_id}".encode())
        if how == SUCCESS:
            phase.facts |= _facts(phase.asset, self.rng.randrange(1, 10**6))
            phase.inputs.append({"file": "/var/log/caf\u00e9.log", "size": 1, "sha256": "ab" * 32})
            entry = self.journal.succeed(phase, self._store_object(phase.asset))
        elif how == FAILED:
            entry = self.journal.fail(phase, ValueError(self.rng.choice(ERRORS)))
        else:
            entry = self.journal.abandon(phase, "its worker is gone")
        if signed:
            self.keeper.append(entry.seq, entry.hash)
        return entry

    def _store_object(self, asset: str) -> Artifact:
        return self._store(KINDS[asset], self.rng.randbytes(self.rng.randrange(50, 500)))

    def _store_rejected(self, lines: bytes) -> dict[str, object]:
        made = self._store(QUARANTINED, lines)
        kept = {"uri": made.uri, "sha256": made.fingerprint.sha256, "size": made.fingerprint.size}
        return {"lines": 3, "share": 0.0123} | kept

    def _store(self, kind: Kind, content: bytes) -> Artifact:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            moment = BEGIN + dt.timedelta(seconds=next(self._seconds))
            return store_file(self.store, PREFIX, kind, Path(file.name), moment=moment)


def _facts(asset: str, records: int) -> dict[str, object]:
    if asset == EVALUATION.asset:
        # Python takes 1 and True for equal.
        metrics = {"flows": records, "anomaly_rate": 0.25, "precision_at_100": 1, "unknown": None}
        return {"metrics": metrics, "model": "m.pkl", "dataset": "d.parquet"}
    return {"records": records} | ({"parameters": {"features": ["bytes"]}} if asset == MODEL.asset else {})


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half of a key as the list of trusted keys has it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def made_object(name: str) -> Artifact:
    """Return an artifact that no store has."""
    return Artifact(f"s3://bucket/{name}", Fingerprint(len(name), "ab" * 32))
