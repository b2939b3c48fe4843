"""The points of the write path, from the start of a phase to the end of its run, in order.

Each point is logged at level DEBUG by the logger `cybersec_assets.failpoints` when it is reached. An operator can see
how far a phase came, and a test can add a handler to the logger that ends the process at a point.
"""

import logging
from enum import StrEnum

LOGGER = logging.getLogger(__name__)


class Point(StrEnum):
    """A point of the write path."""

    PHASE_OPENED = "phase opened"
    STARTED_COMMITTED = "STARTED committed"
    INPUT_FETCHED = "input fetched"
    INPUT_VERIFIED = "input verified"
    BODY_DONE = "body done"
    SCRATCH_WRITTEN = "scratch file written"
    UPLOAD_BEGUN = "upload begun"
    PART_UPLOADED = "part uploaded"
    UPLOAD_COMPLETED = "upload completed"
    READ_BACK = "read back"
    SUCCESS_SENT = "SUCCESS sent but not committed"
    SUCCESS_COMMITTED = "SUCCESS committed"
    HEAD_WRITTEN = "signed head written"
    EVENT_WRITTEN = "Dagster's event written"
    SCRATCH_REMOVED = "scratch removed"


def hit(point: Point) -> None:
    """Log that a point of the write path is reached."""
    LOGGER.debug("%s", point)
