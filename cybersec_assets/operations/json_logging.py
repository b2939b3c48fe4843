"""Run a program with JSON logs: `python -m cybersec_assets.operations.json_logging PROGRAM ARGUMENT…`.

Dagster's own `--log-format json` is not enough for a cluster. Runs and the web server's uvicorn ignore it, and its
lines have neither the ID of a run nor the traceback of an exception. So this module runs the program in its own
process, after it has changed the formatter of every handler. Programs that are started without it log as usual.
"""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Any

from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

from cybersec_assets.redaction import redact

LOGGER = logging.getLogger("cybersec_assets.operations.json_logging")
TAGS = {"partition": "dagster/partition"}
"""The tags of a run that its lines contain, by the line's field."""


class JsonFormatter(ProcessorFormatter):
    """Format a record as one line of JSON without secrets.

    Each line has `time`, `level`, `logger` and `message`. The lines of a run have `run_id`, `step_key` and more.
    """

    def __init__(self) -> None:
        super().__init__(processors=[format_exc_info, _add_fields, JSONRenderer(serializer=json.dumps, default=str)])

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without a line break at its end."""
        return redact(super().format(record))


class JsonLogger(logging.Logger):
    """A logger whose handlers write JSON, whatever format they were given."""

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - the base's name
        """Add a handler. Those that write lines get the JSON formatter."""
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
    """Write all further logs of this process as JSON, including warnings and uncaught exceptions."""
    logging.setLoggerClass(JsonLogger)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(JsonFormatter())
    _write_warnings()
    sys.excepthook = lambda *caught: LOGGER.critical("the program ended with an error", exc_info=caught)
    threading.excepthook = lambda caught: LOGGER.error("a thread ended with an error", exc_info=caught.exc_value)


def _write_warnings() -> None:
    """Log warnings as JSON. Without a handler of its own, Python gives their logger one that writes nothing."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("py.warnings")
    logger.addHandler(handler)
    # A handler of the root logger would write each warning a second time.
    logger.propagate = False
    logging.captureWarnings(capture=True)


def _add_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Return the fields of a line."""
    record: logging.LogRecord = event.pop("_record")
    del event["_from_structlog"]
    line = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
        "level": record.levelname,
        "logger": record.name,
        "message": event.pop("event"),
    }
    # What is left is an exception's traceback, or the fields of a record that was logged with structlog.
    more = {field: value for field, value in event.items() if field not in line}
    return line | _run_fields(getattr(record, "dagster_meta", None) or {}) | more


def _run_fields(meta: dict[str, Any]) -> dict[str, str]:
    """Return the fields of a line of a run, from the metadata that Dagster adds to its records."""
    event = meta.get("dagster_event")
    error = getattr(event and event.event_specific_data, "error", None)
    found = {
        "message": meta.get("orig_message"),
        "run_id": meta.get("run_id"),
        "job": meta.get("job_name"),
        "step_key": meta.get("step_key"),
        "event": event and event.event_type_value,
        "exception": error and error.to_string(),
    }
    found |= {field: (meta.get("job_tags") or {}).get(tag) for field, tag in TAGS.items()}
    return {field: str(value) for field, value in found.items() if value}


if __name__ == "__main__":
    main()
