"""A worker's hold on its phases: the lock that says it lives, the journal's entries, and the head after each end."""

from collections.abc import Callable

from cybersec_assets.artifact import Artifact
from cybersec_assets.audit.journal.journal import Journal, JournalEntry
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.phase_locks import PhaseLocks
from cybersec_assets.errors import StoreError, UnsafeStoreError
from cybersec_assets.failpoints import Point, hit


class Phases:
    """The phases that are open in this process.

    Args:
        journal: Where they are written down.
        phase_locks: What holds their locks.
        seal: Called with every entry that ends a phase.
    """

    def __init__(self, journal: Journal, phase_locks: PhaseLocks, seal: Callable[[JournalEntry], None]) -> None:
        """Begin with none."""
        self._journal = journal
        self._phase_locks = phase_locks
        self._seal = seal
        self._open = dict[tuple[str, str], Phase]()

    def enter(self, run_id: str, asset: str, partition: str) -> Phase:
        """Start a phase, or go on with it; a lost lock is taken again first.

        Raises:
            AuditError: The audit is away: the phase must not work.
        """
        key = asset, partition
        if key in self._open:
            self._phase_locks.renew()
            return self._open[key]
        lock = self._phase_locks.take()
        hit(Point.PHASE_OPENED)
        self._open[key] = self._journal.start(run_id, asset, partition, lock)
        return self._open[key]

    def succeed(self, phase: Phase, artifact: Artifact) -> None:
        """End a phase whose object is stored and was read back.

        Raises:
            AuditError: SUCCESS could not be written.
        """
        self._phase_locks.renew()
        entry = self._journal.succeed(phase, artifact)
        self.give_up(phase.asset, phase.partition)
        self._seal(entry)

    def fail(self, asset: str, partition: str, error: BaseException) -> None:
        """End a phase, if it is open, with the error's first line.

        Raises:
            AuditError: FAILED could not be written.
        """
        phase = self._open.get((asset, partition))
        if phase is None:
            return
        entry = self._journal.fail(phase, error)
        self.give_up(asset, partition)
        # A store that has just refused would make the failure wait once more; the next head covers the entry.
        if type(error) not in {StoreError, UnsafeStoreError}:
            self._seal(entry)

    def give_up(self, asset: str, partition: str) -> None:
        """Let go of a phase that could not be ended, so that whoever reconciles may end it."""
        phase = self._open.pop((asset, partition), None)
        if phase is not None:
            self._phase_locks.free(phase.lock)

    def left_open(self) -> list[tuple[str, str]]:
        """Give the asset and partition of each phase that is open."""
        return list(self._open)
