"""A phase passes the points of the write path in order."""

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
"""The points of a phase without inputs and without a multipart upload."""


@contextmanager
def watching(act):
    """Call a function at each point."""

    class Watcher(logging.Handler):
        def emit(self, record):
            act(Point(record.getMessage()))

    handler = Watcher()
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)


@pytest.fixture
def points():
    """Yield the list of points that the test has passed so far."""
    passed = []
    with watching(passed.append):
        yield passed


def assert_in_order(points):
    """Assert that points are in the order of the write path."""
    assert points == sorted(points, key=ORDER.index)


def phases_of(points):
    """Split the points of a run into those of its phases."""
    begins = [place for place, point in enumerate(points) if point is Point.PHASE_OPENED]
    return [points[begin:end] for begin, end in zip(begins, [*begins[1:], len(points)], strict=True)]


def test_a_phase_passes_its_points_in_order(settings, materialize, points):
    """A phase without inputs passes each point once, and then the scratch folder is removed."""
    materialize(settings, ["raw/network_events"])
    assert points == [*STORING, Point.SCRATCH_REMOVED]
    assert_in_order(points)


def test_an_input_is_fetched_and_then_verified(settings, materialize, points):
    """A phase of a later run fetches its input, verifies it, and then begins to work."""
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


def test_a_whole_day_passes_all_points_but_two(settings, points, monkeypatch):
    """Within one run no input is fetched, and small objects are not uploaded in parts."""
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


def test_a_failed_phase_passes_no_point_of_success(settings, materialize, points):
    """If the store refuses all writes, including heads, the last point is the one before the upload."""
    settings.home.mkdir()
    (settings.home / "store").write_text("in the way")
    materialize(settings, ["raw/network_events"])
    assert points == [*STORING[: STORING.index(Point.UPLOAD_BEGUN) + 1], Point.SCRATCH_REMOVED]


def test_each_point_is_passed_after_its_effect(settings, materialize):
    """Objects, heads and successes exist from their own point on, and not before."""
    seen = {}
    with audit_from(settings).session() as audit:
        audit.connect()

        def count(point):
            seen[point] = len(stored_files(settings)), len(audit.ask().records()), len(head_files(settings))

        with watching(count):
            materialize(settings, ["raw/network_events"])
    changes = {Point.UPLOAD_COMPLETED: (1, 0, 0), Point.SUCCESS_COMMITTED: (1, 1, 0), Point.HEAD_WRITTEN: (1, 1, 1)}
    expected = (0, 0, 0)
    for point, found in seen.items():
        expected = changes.get(point, expected)
        assert (point, found) == (point, expected)
    assert set(changes) <= set(seen)


def test_points_are_logged_at_level_debug(caplog):
    with caplog.at_level(logging.INFO, "cybersec_assets.failpoints"):
        hit(Point.BODY_DONE)
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG, "cybersec_assets.failpoints"):
        hit(Point.BODY_DONE)
    assert [(record.levelname, record.message) for record in caplog.records] == [("DEBUG", "body done")]
