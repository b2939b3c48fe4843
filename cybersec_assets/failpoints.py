"""The points that a phase passes between its opening and the end of its run, in order.

Each is a record on the logger `cybersec_assets.failpoints`, at level DEBUG, written at the moment it names. They tell
an operator how far a phase came; a test hangs a handler on the logger to end the process just there.
"""

import logging
from enum import StrEnum

LOGGER = logging.getLogger(__name__)


class Point(StrEnum):
    """What has just happened."""

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
    """Say that a point of the write path has been reached."""
    LOGGER.debug("%s", point)
