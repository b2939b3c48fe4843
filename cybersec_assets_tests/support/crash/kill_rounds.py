"""Rounds of kills on one database and its buckets, and the checks between the rounds and at the end."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGTERM
from typing import Any

import dagster as dg

from cybersec_assets.definitions import audit_from, build_resources, verifier_from
from cybersec_assets.operations.reconcile import reconcile_all
from cybersec_assets.settings import load_settings
from cybersec_assets_tests.support.crash.orders import Order, Scenario, order
from cybersec_assets_tests.support.crash.readers import READERS, read_audited, reader_faults
from cybersec_assets_tests.support.crash.stored_state import Fault, StateReader, StoredState, open_phases
from cybersec_assets_tests.support.crash.worker import INTERRUPTED
from cybersec_assets_tests.support.crash.worker_processes import WorkerProcesses, WorkerResult
from cybersec_assets_tests.support.servers.workbench import Workbench

CONCURRENT_WORKERS = 2
BATCH = 10
GRACE_SECONDS = 0.5
# For an interrupt during a run's teardown Dagster reports only that the run failed: status 2.
STOPPED = {INTERRUPTED, 2}
"""Exit statuses of a worker that handled SIGTERM."""


class KillRounds:
    """Kill workers and check what they leave.

    Args:
        bench: The servers that the workers use.
        folder: Where the workers' output is written.
    """

    def __init__(self, bench: Workbench, folder: Path) -> None:
        self.bench = bench
        self.workers = WorkerProcesses(folder)
        self.reader = StateReader(bench)
        self.results = list[WorkerResult]()
        self.found = Counter[Fault]()
        self.left = Counter[str]()

    def run_to_end(self, scenario: Scenario) -> WorkerResult:
        """Run a worker that is not killed."""
        complete = self.workers.run(order(scenario))
        assert complete.exit_code == 0, complete.log
        self.results.append(complete)
        return complete

    def kill(self, orders: Sequence[Order]) -> None:
        """Kill workers as ordered, and check for faults after each batch."""
        with ThreadPoolExecutor(CONCURRENT_WORKERS) as threads:
            for begin in range(0, len(orders), BATCH):
                batch = list(threads.map(self.workers.run, orders[begin : begin + BATCH]))
                for result in batch:
                    assert_killed_as_ordered(result)
                self.results += batch
                self.assert_no_faults(batch)

    def assert_no_faults(self, results: Sequence[WorkerResult]) -> None:
        """Check the stored state, and what readers of the workers' days get."""
        before = self.reader.read_state()
        faults = self.reader.faults(before, results)
        faults += self.reader_faults(before, sorted({result.order.day for result in results}))
        self._assert_none(faults)

    def assert_reconciles(self) -> None:
        """Reconcile, and check that every phase has one end, and every object a row or a place among the orphans."""
        before = self.reader.read_state()
        done = reconcile_all(load_settings(), GRACE_SECONDS)
        after = self.reader.read_state()
        self._assert_none([*self.reader.faults(after, self.results), *open_phases(after)])
        listed = {orphan["uri"] for orphan in done.orphans}
        # The upload of a killed worker may have been completed meanwhile.
        assert before.orphans() <= listed <= after.orphans(), listed ^ after.orphans()
        assert (done.damaged, done.alive, done.deleted) == ([], 0, []), done
        findings = verifier_findings()
        assert findings == [], findings
        ends = Counter(entry.kind for entry in after.entries if entry.kind != "STARTED")
        self.left += ends + Counter({"orphan": len(listed)})

    def reader_faults(self, before: StoredState, days: Sequence[str]) -> list[tuple[Fault, Any]]:
        """Read days as the project does, and return the faults in what was read."""
        with dg.build_resources(build_resources(load_settings())) as resources:
            got = {(asset, day): read_audited(resources, asset, day) for day in days for asset in READERS}
        after = self.reader.read_state()
        return [
            fault
            for (asset, day), what in got.items()
            for fault in reader_faults(self.reader, before, after, asset, day, what)
        ]

    def _assert_none(self, faults: list[tuple[Fault, Any]]) -> None:
        self.found.update(kind for kind, _ in faults)
        assert faults == [], faults


def assert_killed_as_ordered(result: WorkerResult) -> None:
    """Check that a worker was ended by its signal and, where a point was ordered, at that point."""
    order = result.order
    passed = result.passed
    assert result.exit_code in {-order.signal} | (STOPPED if order.signal is SIGTERM else set()), str(result)
    if order.point is not None:
        assert passed.count(order.point) >= order.pass_number, str(result)
    # A worker that handles SIGTERM passes more points before it exits.
    if order.point is not None and result.exit_code < 0:
        assert (passed[-1], passed.count(order.point)) == (order.point, order.pass_number), str(result)


def verifier_findings() -> list[Any]:
    """Return the findings of the project's verifier."""
    settings = load_settings()
    with audit_from(settings).session() as audit:
        return list(verifier_from(audit).findings())
