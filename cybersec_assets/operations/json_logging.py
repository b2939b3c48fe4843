"""Run a program with JSON logs: `python -m cybersec_assets.operations.json_logging PROGRAM ARGUMENT…`.

Dagster's own `--log-format json` is not enough for a cluster: runs do not know it, nor does the web server's uvicorn,
it has no run's id, and of an exception only the place in memory. So the program is run in this process, after every
logger has been told how its handlers write. Nothing else of the program changes, and nobody who starts it without
these words sees a difference.
"""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Any

from cybersec_assets.redaction import redact

LOGGER = logging.getLogger("cybersec_assets.operations.json_logging")
TAGS = {"partition": "dagster/partition"}
"""What of a run's tags each of its lines has, by the line's field."""


class JsonFormatter(logging.Formatter):
    """Write a record as one line: `time`, `level`, `logger`, `message`, and of a run `run_id`, `step_key` and more."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without an end and without secrets."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _of_run(getattr(record, "dagster_meta", None) or {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(line, default=str))


class JsonLogger(logging.Logger):
    """A logger whose handlers write JSON, whatever format they were given."""

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - the base's name
        """Take a handler that writes lines, and all others as they are."""
        if isinstance(hdlr, logging.StreamHandler):
            hdlr.setFormatter(JsonFormatter())
        super().addHandler(hdlr)


def main() -> None:
    """Run the program that the command line names, with its arguments."""
    _, program, *arguments = sys.argv
    write_json()
    (found,) = entry_points(group="console_scripts", name=program)
    sys.argv = [program, *arguments]
    sys.exit(found.load()())


def write_json() -> None:
    """Have all that this process logs from now on written as JSON: loggers, warnings, and what nobody caught."""
    logging.setLoggerClass(JsonLogger)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(JsonFormatter())
    _write_warnings()
    sys.excepthook = lambda *caught: LOGGER.critical("the program ended with an error", exc_info=caught)
    threading.excepthook = lambda caught: LOGGER.error("a thread ended with an error", exc_info=caught.exc_value)


def _write_warnings() -> None:
    """Give warnings a handler: a logger of theirs that has none gets one from Python that writes nothing."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("py.warnings")
    logger.addHandler(handler)
    # Whatever the program gives to the root logger would write each of them once more.
    logger.propagate = False
    logging.captureWarnings(capture=True)


def _of_run(told: dict[str, Any]) -> dict[str, str]:
    """Give what Dagster tells of the run that a record is about, and the text of a failure."""
    event = told.get("dagster_event")
    error = getattr(event and event.event_specific_data, "error", None)
    found = {
        "message": told.get("orig_message"),
        "run_id": told.get("run_id"),
        "job": told.get("job_name"),
        "step_key": told.get("step_key"),
        "event": event and event.event_type_value,
        "exception": error and error.to_string(),
    }
    found |= {field: (told.get("job_tags") or {}).get(tag) for field, tag in TAGS.items()}
    return {field: str(value) for field, value in found.items() if value}


if __name__ == "__main__":
    main()
