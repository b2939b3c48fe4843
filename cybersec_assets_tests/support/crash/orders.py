"""Orders for workers: what they do, and where they are killed."""

import datetime as dt
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count
from signal import SIGKILL, SIGTERM, Signals

from cybersec_assets.failpoints import Point

SIGNALS = (SIGKILL, SIGTERM)
MANY_ROUNDS = 100
"""More repetitions than a worker can finish before it is killed."""
SHARED_DAYS = ("2026-01-02", "2026-01-03", "2026-01-04")
FIRST_OWN_DAY = dt.date(2020, 1, 1)
NUMBERS = count()


class Scenario(StrEnum):
    """Which part of the write path a worker runs."""

    IO_MANAGERS = "resources and IO managers alone"
    COMMAND = "`cybersec run`"
    SCHEMA = "the first connection alone"
    SUCCESS_FIRST = "SUCCESS first, then the upload"


@dataclass(frozen=True)
class Order:
    """What one worker does and how it is killed.

    Attributes:
        scenario: What it runs.
        day: The partition.
        run_id: Its run. `cybersec run` makes its own run, and is identified by a day of its own.
        signal: The signal that ends it, if any.
        point: The point at which it sends the signal to itself, if any.
        pass_number: Which pass of that point.
        seconds: The time after which it is killed from outside, where there is no point.
        repeats: How often it runs the scenario.
        number: Its number among all orders.
    """

    scenario: Scenario
    day: str = SHARED_DAYS[0]
    run_id: str | None = None
    signal: Signals | None = None
    point: Point | None = None
    pass_number: int = 1
    seconds: float = 0.0
    repeats: int = 1
    number: int = field(default_factory=lambda: next(NUMBERS))

    def __str__(self) -> str:
        """Describe the order in a failed test's message."""
        where = f"at pass {self.pass_number} of {self.point!r}" if self.point else f"after {self.seconds:.3f} s"
        return f"{self.scenario}, {self.day}, run {self.run_id}: {self.signal!r} {where}"


def order(scenario: Scenario, **details: object) -> Order:
    """Return an order with a run of its own or, for `cybersec run`, a day of its own."""
    made = Order(scenario, **details)
    if scenario is Scenario.COMMAND:
        return replace(made, day=(FIRST_OWN_DAY + dt.timedelta(days=made.number)).isoformat())
    return replace(made, day=SHARED_DAYS[made.number % len(SHARED_DAYS)], run_id=str(uuid.uuid4()))


def at_points(scenario: Scenario, points: Sequence[Point], passes: Mapping[Point, int], times: int) -> Iterator[Order]:
    """Yield orders that kill workers at points, with each signal.

    Args:
        scenario: What the workers run.
        points: Where they are killed.
        passes: How often a worker passes each point.
        times: How often each point is used with each signal. Successive orders use successive passes.
    """
    for point in points:
        for turn in range(times):
            for signal in SIGNALS:
                yield order(scenario, signal=signal, point=point, pass_number=turn % passes[point] + 1)


def at_random(scenario: Scenario, seconds: float, times: int) -> Iterator[Order]:
    """Yield orders that kill workers at random times within the duration of one scenario, with alternating signals."""
    for turn in range(times):
        kill_after = random.uniform(0, seconds)
        yield order(scenario, signal=SIGNALS[turn % len(SIGNALS)], seconds=kill_after, repeats=MANY_ROUNDS)
