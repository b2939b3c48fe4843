"""The phases that are open in this process: the one place where a run's phases start and end.

A phase is made of up to three pieces, and Dagster calls each of them on its own. No single `with` can span them:
`handle_output` even runs while the asset's body is suspended at its `yield`. Each piece works within `work_on`:

    load_input      records an input, once for each input
    asset's body    records facts
    handle_output   stores the object, reads it back, and calls `succeed`

- The first piece starts the phase, and the others continue it.
- An error in any piece ends the phase as FAILED.
- Only `succeed` ends it as SUCCESS.
- A phase that has ended is closed: the next piece, such as a retry's first, starts a new attempt.
- A phase holds an advisory lock while it is open. The lock of a killed worker is free, so reconciling finds it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cybersec_assets.artifact import Artifact
from cybersec_assets.audit.journal.journal import Journal, JournalEntry
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.phase_locks import PhaseLocks
from cybersec_assets.errors import (
    AuditLostError,
    RunInterruptedError,
    StoreError,
    UnsafeStoreError,
    first_line,
)
from cybersec_assets.failpoints import Point, hit


class OpenPhases:
    """The open phases of one run.

    Args:
        run_id: The Dagster run.
        journal: Writes the entries.
        phase_locks: Holds the phases' locks.
        seal: Called with every entry that ends a phase.
        log_error: Called with an error that prevented a FAILED entry.
    """

    def __init__(
        self,
        run_id: str,
        journal: Journal,
        phase_locks: PhaseLocks,
        seal: Callable[[JournalEntry], None],
        log_error: Callable[[str], None],
    ) -> None:
        self._run_id = run_id
        self._journal = journal
        self._phase_locks = phase_locks
        self._seal = seal
        self._log_error = log_error
        self._open = dict[tuple[str, str], Phase]()

    @contextmanager
    def work_on(self, asset: str, partition: str) -> Iterator[Phase]:
        """Start or continue a phase, and end it as FAILED if the body raises an error.

        Raises:
            AuditError: The phase cannot be started, or its lost lock cannot be taken again. The body does not run.
        """
        try:
            yield self._start_or_continue(asset, partition)
        except OSError as error:
            self.fail(asset, partition, disk_error(error))
            raise
        except Exception as error:
            self.fail(asset, partition, error)
            raise
        except BaseException:
            self.fail(asset, partition, RunInterruptedError())
            raise

    def succeed(self, phase: Phase, artifact: Artifact) -> None:
        """End a phase as SUCCESS. Its object must be stored and read back.

        Raises:
            AuditError: SUCCESS cannot be written.
        """
        self._phase_locks.renew()
        entry = self._journal.succeed(phase, artifact)
        self._close(phase)
        self._seal(entry)

    def fail(self, asset: str, partition: str, error: BaseException) -> None:
        """End a phase, if it is open, as FAILED with the error's first line.

        No error is raised, which would hide the phase's own. If FAILED cannot be written, reconciling ends the phase.
        """
        phase = self._open.get((asset, partition))
        if phase is None:
            return
        try:
            # An audit that was unreachable for so long is not asked again.
            if not isinstance(error, AuditLostError):
                entry = self._journal.fail(phase, error)
                self._close(phase)
                # A store that has just refused would delay the failure; the next head covers the entry.
                if type(error) not in {StoreError, UnsafeStoreError}:
                    self._seal(entry)
        except Exception as second:  # noqa: BLE001 - no second error may hide the phase's own
            self._log_error(first_line(second))
        finally:
            self._close(phase)

    def fail_all(self, why: Callable[[], BaseException]) -> None:
        """End every open phase as FAILED; `why` returns the reason."""
        for asset, partition in list(self._open):
            self.fail(asset, partition, why())

    def _start_or_continue(self, asset: str, partition: str) -> Phase:
        key = asset, partition
        if key in self._open:
            self._phase_locks.renew()
            return self._open[key]
        lock = self._phase_locks.take()
        hit(Point.PHASE_OPENED)
        self._open[key] = self._journal.start(self._run_id, asset, partition, lock)
        return self._open[key]

    def _close(self, phase: Phase) -> None:
        if self._open.pop((phase.asset, phase.partition), None) is not None:
            self._phase_locks.free(phase.lock)


def disk_error(error: OSError) -> StoreError:
    """Return the project's error for an error of the file system."""
    remedy = "Check the permissions and the free space of CYBERSEC_HOME and CYBERSEC_SCRATCH"
    return StoreError(f"a file cannot be read or written: {error}", remedy)
