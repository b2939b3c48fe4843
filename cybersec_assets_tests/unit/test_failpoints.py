"""How far a phase came can be read off the points that it passed, in the order in which the write path names them."""

import logging
from contextlib import contextmanager

import pytest

from cybersec_assets.definitions import audit_from
from cybersec_assets.failpoints import LOGGER, Point, hit
from cybersec_assets.operations.run_day import run_day, use_instance
from cybersec_assets_tests.conftest import DAY, head_files, stored_files

ORDER = list(Point)
STORING = [
    *(Point.PHASE_OPENED, Point.STARTED_COMMITTED, Point.BODY_DONE, Point.SCRATCH_WRITTEN, Point.UPLOAD_BEGUN),
    *(Point.UPLOAD_COMPLETED, Point.READ_BACK, Point.SUCCESS_SENT, Point.SUCCESS_COMMITTED, Point.HEAD_WRITTEN),
]
"""What a phase passes that reads nothing, where nothing goes up in parts."""


@contextmanager
def watching(act):
    """Call something at each point, at the moment that the point names."""

    class Watcher(logging.Handler):
        def emit(self, record):
            act(Point(record.getMessage()))

    handler, level = Watcher(), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)


@pytest.fixture
def points():
    """The points that are passed in the test, as they come."""
    passed = []
    with watching(passed.append):
        yield passed


def assert_in_order(points):
    """See that points come in the order of the write path."""
    assert points == sorted(points, key=ORDER.index)


def phases_of(points):
    """Divide the points of a run into those of its phases."""
    begins = [place for place, point in enumerate(points) if point is Point.PHASE_OPENED]
    return [points[begin:end] for begin, end in zip(begins, [*begins[1:], len(points)], strict=True)]


def test_a_phase_passes_its_points_in_order(settings, materialize, points):
    """A phase that reads nothing passes what there is to pass, each point once, and then the scratch is removed."""
    materialize(settings, ["raw/network_events"])
    assert points == [*STORING, Point.SCRATCH_REMOVED]
    assert_in_order(points)


def test_what_is_read_is_fetched_and_then_checked(settings, materialize, points):
    """A phase of a later run fetches its input before it begins to work, and checks it before it reads it."""
    materialize(settings, ["raw/network_events"])
    points.clear()
    materialize(settings, ["silver/network_events"])
    assert points == [
        *STORING[:2],
        *(Point.INPUT_FETCHED, Point.INPUT_VERIFIED),
        *STORING[2:],
        Point.SCRATCH_REMOVED,
    ]
    assert_in_order(points)


def test_a_whole_day_passes_every_point_but_one(settings, points, monkeypatch):
    """Four phases each keep the order; within one run nothing is fetched, and nothing so small goes up in parts."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    use_instance(settings.home)
    assert run_day(DAY, settings, lambda *_: None).exit_status == 0
    phases = phases_of(points)
    assert len(phases) == 4
    for phase in phases:
        # The evaluation reads two inputs.
        assert_in_order(list(dict.fromkeys(phase)))
        assert Point.EVENT_WRITTEN in phase
    assert set(points) == set(ORDER) - {Point.INPUT_FETCHED, Point.PART_UPLOADED}
    assert points[-1] is Point.SCRATCH_REMOVED


def test_a_phase_that_fails_passes_nothing_of_success(settings, materialize, points):
    """Where the store refuses everything, heads too, the last point is the one before the upload."""
    settings.home.mkdir()
    (settings.home / "store").write_text("in the way")
    materialize(settings, ["raw/network_events"])
    assert points == [*STORING[: STORING.index(Point.UPLOAD_BEGUN) + 1], Point.SCRATCH_REMOVED]


def test_each_point_comes_when_it_is_true(settings, materialize):
    """Objects, heads and successes are there from their own point on, and not before."""
    seen = {}
    with audit_from(settings).session() as audit:
        audit.connect()

        def look(point):
            seen[point] = len(stored_files(settings)), len(audit.ask().records()), len(head_files(settings))

        with watching(look):
            materialize(settings, ["raw/network_events"])
    changes = {Point.UPLOAD_COMPLETED: (1, 0, 0), Point.SUCCESS_COMMITTED: (1, 1, 0), Point.HEAD_WRITTEN: (1, 1, 1)}
    expected = (0, 0, 0)
    for point, found in seen.items():
        expected = changes.get(point, expected)
        assert (point, found) == (point, expected)
    assert set(changes) <= set(seen)


def test_points_are_not_told_to_whom_does_not_ask(caplog):
    """A point is a record at level DEBUG on the logger that bears the module's name."""
    with caplog.at_level(logging.INFO, "cybersec_assets.failpoints"):
        hit(Point.BODY_DONE)
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG, "cybersec_assets.failpoints"):
        hit(Point.BODY_DONE)
    assert [(record.levelname, record.message) for record in caplog.records] == [("DEBUG", "body done")]
