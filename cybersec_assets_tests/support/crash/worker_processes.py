"""Fork workers from a process that has imported everything and opened nothing, kill them, and collect their reports."""

import multiprocessing as mp
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock

from cybersec_assets.failpoints import Point
from cybersec_assets_tests.support.crash.orders import Order
from cybersec_assets_tests.support.crash.worker import STARTED, run_worker

CONTEXT = mp.get_context("forkserver")
# Imported once for all workers. No module here may open a connection or use polars, as threads are not forked.
CONTEXT.set_forkserver_preload(
    [
        "boto3",
        "cybersec_assets.cli.run",
        "cybersec_assets.model.evaluate",
        "cybersec_assets.stores.s3",
        "matplotlib.figure",
        "pytest",
        "sklearn.ensemble",
        "sklearn.pipeline",
    ]
)
TIMEOUT_SECONDS = 120
"""A worker that still runs after this time hangs."""
RESEND_SECONDS = 2
LOG_CHARACTERS = 3_000


@dataclass(frozen=True)
class WorkerResult:
    """What a worker reported, and how it ended.

    Attributes:
        order: What it was ordered to do.
        passed: The points that it reported, in order.
        exit_code: Its exit status, or minus the number of the signal that ended it.
        seconds: How long it ran.
        log: The end of its output.
    """

    order: Order
    passed: list[Point]
    exit_code: int
    seconds: float
    log: str

    def __str__(self) -> str:
        """Describe the result in a failed test's message."""
        last = ", ".join(self.passed[-3:])
        return f"{self.order}: ended with {self.exit_code} after {len(self.passed)} points, … {last}\n{self.log}"


class WorkerProcesses:
    """Run workers.

    Args:
        folder: Where the workers' output is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # `multiprocessing` reaps all children when it starts one. If two threads reap one child, its exit code is lost.
        self._reaping = Lock()

    def run(self, order: Order) -> WorkerResult:
        """Start a worker and wait for its end.

        Raises:
            TimeoutError: The worker hangs.
        """
        log = self._folder / f"worker-{order.number}.log"
        reader, writer = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=run_worker, args=(order, dict(os.environ), log, writer))
        with self._reaping, writer:
            process.start()
        with reader:
            began = time.monotonic()
            passed = list(_reported_points(process, order, reader))
        with self._reaping:
            process.join()
        seconds = time.monotonic() - began
        return WorkerResult(order, passed, process.exitcode, seconds, log.read_text()[-LOG_CHARACTERS:])


def _reported_points(process: BaseProcess, order: Order, reader: Connection) -> Iterator[Point]:
    """Yield the points that a worker reports until it ends, and kill it at the ordered time where there is one."""
    kill_at = float("inf")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        wait = min(kill_at, deadline) - time.monotonic()
        try:
            message = reader.recv_bytes().decode() if reader.poll(max(wait, 0)) else None
        except EOFError:
            return
        if message == STARTED:
            if order.signal and not order.point:
                kill_at = time.monotonic() + order.seconds
        elif message is not None:
            yield Point(message)
        elif time.monotonic() >= deadline:
            process.kill()
            raise TimeoutError(f"a worker hangs: {order}")
        else:
            os.kill(process.pid, order.signal)
            # Python discards an exception that a handler raises during garbage collection, so send the signal again.
            kill_at = time.monotonic() + RESEND_SECONDS


def passes_of(results: Iterable[WorkerResult], point: Point) -> int:
    """Return how often workers passed a point."""
    return sum(result.passed.count(point) for result in results)
