"""A worker is killed wherever it may be, and neither the audit nor any reader is ever told more than is true.

Each test comes twice: as a sample that runs with every change, and as the whole that `make test-crash` runs.
"""

from collections import Counter

import pytest

from cybersec_assets.audit.journal.tables import SCHEMA_VERSION
from cybersec_assets.failpoints import Point
from cybersec_assets_tests.support.crash.kill_rounds import assert_died_as_ordered
from cybersec_assets_tests.support.crash.orders import Way, at_points, at_random

WITHIN_RUNS = (Point.EVENT_WRITTEN,)
"""Passed only where Dagster itself runs the assets."""
DRIVEN = tuple(point for point in Point if point not in WITHIN_RUNS)
TIMES = 20


def sample(*values):
    """Give a case that runs with every change."""
    return pytest.param(*values, marks=pytest.mark.stack, id="sample")


def whole(*values, name="whole"):
    """Give a case that only `make test-crash` runs."""
    return pytest.param(*values, id=name)


@pytest.mark.parametrize(
    ("points", "times"), [sample(DRIVEN, 1), *(whole([point], TIMES, name=point.name) for point in DRIVEN)]
)
def test_a_worker_that_dies_at_a_point(siege, points, times):
    """Workers that die at a named point, by either signal, leave nothing that is wrong and nothing unlisted."""
    rehearsed = siege.rehearse(Way.DRIVEN)
    assert set(rehearsed.passed) == set(DRIVEN)
    siege.kill(list(at_points(Way.DRIVEN, points, Counter(rehearsed.passed), times)))
    siege.assert_ends_well()


@pytest.mark.parametrize("times", [sample(10), whole(200)])
def test_a_worker_that_dies_at_a_random_time(siege, times):
    """Workers that are killed from outside at whatever moment leave nothing that is wrong and nothing unlisted."""
    rehearsed = siege.rehearse(Way.DRIVEN)
    siege.kill(list(at_random(Way.DRIVEN, rehearsed.seconds, times)))
    siege.assert_ends_well()


@pytest.mark.parametrize(
    ("points", "times"),
    [sample(WITHIN_RUNS, 1), whole(WITHIN_RUNS, TIMES, name="EVENT_WRITTEN"), whole(DRIVEN, 1, name="other points")],
)
def test_a_run_that_dies_at_a_point(siege, points, times):
    """Whole runs that die at a named point, by either signal, leave nothing that is wrong, and the day runs again."""
    rehearsed = siege.rehearse(Way.WHOLE)
    assert set(rehearsed.passed) == set(Point)
    siege.kill(list(at_points(Way.WHOLE, points, Counter(rehearsed.passed), times)))
    siege.assert_ends_well()
    siege.rehearse(Way.WHOLE)


@pytest.mark.parametrize("times", [sample(2), whole(20)])
def test_a_run_that_dies_at_a_random_time(siege, times):
    """Whole runs that are killed from outside at whatever moment leave nothing that is wrong."""
    rehearsed = siege.rehearse(Way.WHOLE)
    siege.kill(list(at_random(Way.WHOLE, rehearsed.seconds, times)))
    siege.assert_ends_well()


@pytest.mark.parametrize("times", [sample(2), whole(20)])
def test_a_worker_that_dies_while_it_makes_the_schema(siege, times):
    """A database whose making was broken off anywhere is made whole by the next worker."""
    rehearsed = siege.rehearse(Way.SCHEMA)
    for told in at_random(Way.SCHEMA, rehearsed.seconds, times):
        with siege.bench.superuser() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {siege.bench.database} WITH (FORCE)")
        death = siege.executioner.carry_out(told)
        assert_died_as_ordered(death)
        siege.deaths.append(death)
        siege.rehearse(Way.SCHEMA)
        with siege.bench.superuser(siege.bench.database) as cursor:
            cursor.execute("SELECT version_num FROM alembic_version")
            assert cursor.fetchall() == [(SCHEMA_VERSION,)]
    siege.rehearse(Way.DRIVEN)
    siege.assert_ends_well()
