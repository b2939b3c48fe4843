"""What a worker is told to do, and where it is to be killed."""

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
UNENDING = 100
"""More rounds than a worker can do before its time has come."""
SHARED_DAYS = ("2026-01-02", "2026-01-03", "2026-01-04")
FIRST_OWN_DAY = dt.date(2020, 1, 1)
NUMBERS = count()


class Way(StrEnum):
    """How a worker goes along the write path."""

    DRIVEN = "resources and IO managers alone"
    WHOLE = "`cybersec run`"
    SCHEMA = "the first connection alone"
    HASTY = "SUCCESS first, then the upload"


@dataclass(frozen=True)
class Order:
    """One worker's task and end.

    Attributes:
        way: How it goes.
        day: The partition.
        run_id: Its run; a whole run takes its own, and a day of its own tells it from others.
        signal: What ends it; nothing, if not given.
        point: Where it sends that to itself; nowhere, if not given.
        pass_number: At which of its passes of that point.
        seconds: After how long it is sent that from outside, where no point is given.
        rounds: How often it goes the way.
        number: Its place among all orders.
    """

    way: Way
    day: str = SHARED_DAYS[0]
    run_id: str | None = None
    signal: Signals | None = None
    point: Point | None = None
    pass_number: int = 1
    seconds: float = 0.0
    rounds: int = 1
    number: int = field(default_factory=lambda: next(NUMBERS))

    def __str__(self) -> str:
        """Say it for a failed test's reader."""
        where = f"at pass {self.pass_number} of {self.point!r}" if self.point else f"after {self.seconds:.3f} s"
        return f"{self.way}, {self.day}, run {self.run_id}: {self.signal!r} {where}"


def order(way: Way, **details: object) -> Order:
    """Give an order with a run or, as a whole run makes its own, a day that is no other's."""
    made = Order(way, **details)
    if way is Way.WHOLE:
        return replace(made, day=(FIRST_OWN_DAY + dt.timedelta(days=made.number)).isoformat())
    return replace(made, day=SHARED_DAYS[made.number % len(SHARED_DAYS)], run_id=str(uuid.uuid4()))


def at_points(way: Way, points: Sequence[Point], passes: Mapping[Point, int], times: int) -> Iterator[Order]:
    """Order kills at points: each signal so many times, at one pass after the other.

    Args:
        way: How the workers go.
        points: Where they die.
        passes: How often a worker passes each point.
        times: How often each point is met with each signal.
    """
    for point in points:
        for turn in range(times):
            for signal in SIGNALS:
                yield order(way, signal=signal, point=point, pass_number=turn % passes[point] + 1)


def at_random(way: Way, seconds: float, times: int) -> Iterator[Order]:
    """Order kills at random times within the time that one round takes, the signals by turns."""
    for turn in range(times):
        yield order(way, signal=SIGNALS[turn % len(SIGNALS)], seconds=random.uniform(0, seconds), rounds=UNENDING)
