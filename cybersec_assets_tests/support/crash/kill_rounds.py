"""Kills by the batch on one database and its buckets, and what must hold between them and in the end."""

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
from cybersec_assets_tests.support.crash.evidence import Detective, Evidence, Wrong, unended
from cybersec_assets_tests.support.crash.orders import Order, Way, order
from cybersec_assets_tests.support.crash.readers import READ_BY, read_what_is_audited, reader_faults
from cybersec_assets_tests.support.crash.worker import INTERRUPTED
from cybersec_assets_tests.support.crash.worker_processes import Death, Executioner
from cybersec_assets_tests.support.servers.workbench import Workbench

AT_ONCE = 2
BATCH = 10
GRACE_SECONDS = 0.5
# Dagster says of an interrupt amid a run's teardown no more than that the run failed.
STOPPED = {INTERRUPTED, 2}
"""Exit statuses of a worker that was told of SIGTERM, and ended in its own way."""


class Siege:
    """Kill workers, and see what they leave.

    Args:
        bench: On whose servers.
        folder: Where the workers' output goes.
    """

    def __init__(self, bench: Workbench, folder: Path) -> None:
        """Begin with nobody dead."""
        self.bench = bench
        self.executioner = Executioner(folder)
        self.detective = Detective(bench)
        self.deaths = list[Death]()
        self.found = Counter[Wrong]()
        self.left = Counter[str]()

    def rehearse(self, way: Way) -> Death:
        """Have a worker go the whole way."""
        rehearsed = self.executioner.carry_out(order(way))
        assert rehearsed.exit_code == 0, rehearsed.log
        self.deaths.append(rehearsed)
        return rehearsed

    def kill(self, orders: Sequence[Order]) -> None:
        """Carry out orders, some at a time, and see after each batch that nothing is wrong."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for begin in range(0, len(orders), BATCH):
                batch = list(threads.map(self.executioner.carry_out, orders[begin : begin + BATCH]))
                for death in batch:
                    assert_died_as_ordered(death)
                self.deaths += batch
                self.assert_sound(batch)

    def assert_sound(self, deaths: Sequence[Death]) -> None:
        """See that nothing is wrong, neither for who looks at everything nor for readers of the workers' days."""
        before = self.detective.gather()
        wrong = self.detective.faults(before, deaths)
        wrong += self.reader_faults(before, sorted({death.order.day for death in deaths}))
        self._assert_none(wrong)

    def assert_ends_well(self) -> None:
        """Reconcile, and see that every phase has its one end, and every object its row or its place in the list."""
        before = self.detective.gather()
        done = reconcile_all(load_settings(), GRACE_SECONDS)
        after = self.detective.gather()
        self._assert_none([*self.detective.faults(after, self.deaths), *unended(after)])
        listed = {each["uri"] for each in done.orphans}
        # A killed worker's upload may have been completed meanwhile.
        assert before.orphans() <= listed <= after.orphans(), listed ^ after.orphans()
        assert (done.damaged, done.alive, done.deleted) == ([], 0, []), done
        assert (findings := verifier_findings()) == [], findings
        ends = Counter(entry.kind for entry in after.entries if entry.kind != "STARTED")
        self.left += ends + Counter({"orphan": len(listed)})

    def reader_faults(self, before: Evidence, days: Sequence[str]) -> list[tuple[Wrong, Any]]:
        """Have the project's reader read some days, and say what it got that it should not."""
        with dg.build_resources(build_resources(load_settings())) as parts:
            got = {(asset, day): read_what_is_audited(parts, asset, day) for day in days for asset in READ_BY}
        after = self.detective.gather()
        return [
            fault
            for (asset, day), what in got.items()
            for fault in reader_faults(self.detective, before, after, asset, day, what)
        ]

    def _assert_none(self, wrong: list[tuple[Wrong, Any]]) -> None:
        self.found.update(kind for kind, _ in wrong)
        assert wrong == [], wrong


def assert_died_as_ordered(death: Death) -> None:
    """See that a worker ended by its signal and, where a point was ordered, right there."""
    told, passed = death.order, death.passed
    assert death.exit_code in {-told.signal} | (STOPPED if told.signal is SIGTERM else set()), str(death)
    if told.point is not None:
        assert passed.count(told.point) >= told.pass_number, str(death)
    # Whoever is told of SIGTERM passes more points as it ends.
    if told.point is not None and death.exit_code < 0:
        assert (passed[-1], passed.count(told.point)) == (told.point, told.pass_number), str(death)


def verifier_findings() -> list[Any]:
    """Give what the project's verifier finds."""
    settings = load_settings()
    with audit_from(settings).session() as audit:
        return list(verifier_from(settings, audit).findings())
