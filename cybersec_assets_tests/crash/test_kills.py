"""A worker is killed at any point or time, and the audit and every reader still report only what is true.

Each test runs twice: as a sample that `make stack` runs, and in full as `make test-crash` runs it.
"""

from collections import Counter

import pytest

from cybersec_assets.audit.journal.tables import SCHEMA_VERSION
from cybersec_assets.failpoints import Point
from cybersec_assets_tests.support.crash.kill_rounds import assert_killed_as_ordered
from cybersec_assets_tests.support.crash.orders import Scenario, at_points, at_random

RUN_POINTS = (Point.EVENT_WRITTEN,)
"""The points that are passed only where Dagster itself runs the assets."""
IO_MANAGER_POINTS = tuple(point for point in Point if point not in RUN_POINTS)
TIMES = 20


def sample(*values):
    """Return a case that runs with every change."""
    return pytest.param(*values, marks=pytest.mark.stack, id="sample")


def full(*values, name="full"):
    """Return a case that only `make test-crash` runs."""
    return pytest.param(*values, id=name)


@pytest.mark.parametrize(
    ("points", "times"),
    [sample(IO_MANAGER_POINTS, 1), *(full([point], TIMES, name=point.name) for point in IO_MANAGER_POINTS)],
)
def test_a_worker_killed_at_a_point(rounds, points, times):
    complete = rounds.run_to_end(Scenario.IO_MANAGERS)
    assert set(complete.passed) == set(IO_MANAGER_POINTS)
    rounds.kill(list(at_points(Scenario.IO_MANAGERS, points, Counter(complete.passed), times)))
    rounds.assert_reconciles()


@pytest.mark.parametrize("times", [sample(10), full(200)])
def test_a_worker_killed_at_a_random_time(rounds, times):
    complete = rounds.run_to_end(Scenario.IO_MANAGERS)
    rounds.kill(list(at_random(Scenario.IO_MANAGERS, complete.seconds, times)))
    rounds.assert_reconciles()


@pytest.mark.parametrize(
    ("points", "times"),
    [
        sample(RUN_POINTS, 1),
        full(RUN_POINTS, TIMES, name="EVENT_WRITTEN"),
        full(IO_MANAGER_POINTS, 1, name="other points"),
    ],
)
def test_a_run_killed_at_a_point(rounds, points, times):
    """The days run again after the kills."""
    complete = rounds.run_to_end(Scenario.COMMAND)
    assert set(complete.passed) == set(Point)
    rounds.kill(list(at_points(Scenario.COMMAND, points, Counter(complete.passed), times)))
    rounds.assert_reconciles()
    rounds.run_to_end(Scenario.COMMAND)


@pytest.mark.parametrize("times", [sample(2), full(20)])
def test_a_run_killed_at_a_random_time(rounds, times):
    complete = rounds.run_to_end(Scenario.COMMAND)
    rounds.kill(list(at_random(Scenario.COMMAND, complete.seconds, times)))
    rounds.assert_reconciles()


@pytest.mark.parametrize("times", [sample(2), full(20)])
def test_a_worker_killed_while_it_creates_the_schema(rounds, times):
    """The next worker completes the schema."""
    complete = rounds.run_to_end(Scenario.SCHEMA)
    for order in at_random(Scenario.SCHEMA, complete.seconds, times):
        with rounds.bench.superuser() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {rounds.bench.database} WITH (FORCE)")
        result = rounds.workers.run(order)
        assert_killed_as_ordered(result)
        rounds.results.append(result)
        rounds.run_to_end(Scenario.SCHEMA)
        with rounds.bench.superuser(rounds.bench.database) as cursor:
            cursor.execute("SELECT version_num FROM alembic_version")
            assert cursor.fetchall() == [(SCHEMA_VERSION,)]
    rounds.run_to_end(Scenario.IO_MANAGERS)
    rounds.assert_reconciles()
