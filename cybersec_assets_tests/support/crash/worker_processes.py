"""Forks workers from a process that has imported everything and opened nothing, kills them, and hears their words."""

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
from cybersec_assets_tests.support.crash.worker import BEGUN, obey

CONTEXT = mp.get_context("forkserver")
# Imported once for all workers. None of it may open a connection or use polars, whose threads would not be forked.
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
PATIENCE_SECONDS = 120
"""A worker that has not died by then hangs."""
AGAIN_SECONDS = 2
LOG_CHARACTERS = 3_000


@dataclass(frozen=True)
class Death:
    """What is known of a worker after its death.

    Attributes:
        order: What it was told to do.
        passed: The points that it said it had passed, in order.
        exit_code: As `multiprocessing` tells it: a signal's number below zero.
        seconds: For how long it lived.
        log: The end of what it printed.
    """

    order: Order
    passed: list[Point]
    exit_code: int
    seconds: float
    log: str

    def __str__(self) -> str:
        """Say it for a failed test's reader."""
        last = ", ".join(self.passed[-3:])
        return f"{self.order}: ended with {self.exit_code} after {len(self.passed)} points, … {last}\n{self.log}"


class Executioner:
    """Carry out orders.

    Args:
        folder: Where the workers' output goes.
    """

    def __init__(self, folder: Path) -> None:
        """Note the place."""
        self._folder = folder
        # `multiprocessing` reaps other threads' workers when it starts one, and two that reap one lose its exit code.
        self._reaping = Lock()

    def carry_out(self, order: Order) -> Death:
        """Start a worker, and come back when it is dead.

        Raises:
            TimeoutError: It would not die.
        """
        log = self._folder / f"worker-{order.number}.log"
        reader, writer = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=obey, args=(order, dict(os.environ), log, writer))
        with self._reaping, writer:
            process.start()
        with reader:
            began, passed = time.monotonic(), list(_words(process, order, reader))
        with self._reaping:
            process.join()
        seconds = time.monotonic() - began
        return Death(order, passed, process.exitcode, seconds, log.read_text()[-LOG_CHARACTERS:])


def _words(process: BaseProcess, order: Order, reader: Connection) -> Iterator[Point]:
    """Hear a worker until its death, and bring that about where it was not to do so itself."""
    doom, deadline = float("inf"), time.monotonic() + PATIENCE_SECONDS
    while True:
        wait = min(doom, deadline) - time.monotonic()
        try:
            word = reader.recv_bytes().decode() if reader.poll(max(wait, 0)) else None
        except EOFError:
            return
        if word == BEGUN:
            doom = time.monotonic() + order.seconds if order.signal and not order.point else doom
        elif word is not None:
            yield Point(word)
        elif time.monotonic() >= deadline:
            process.kill()
            raise TimeoutError(f"a worker hangs: {order}")
        else:
            os.kill(process.pid, order.signal)
            # An exception that a signal raises amid garbage collection is lost: whoever means it asks again.
            doom = time.monotonic() + AGAIN_SECONDS


def passes_of(deaths: Iterable[Death], point: Point) -> int:
    """Count how often workers passed a point."""
    return sum(death.passed.count(point) for death in deaths)
