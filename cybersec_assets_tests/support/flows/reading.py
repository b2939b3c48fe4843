"""A process that reads a day's logs, and prints the result and how much memory it took.

`python -m cybersec_assets_tests.support.flows.reading SMALL URI` reads a small log first, so that the memory
which every reading needs (libraries, threads) is not counted.
"""

import json
import resource
import sys
import tempfile
from pathlib import Path

from cybersec_assets.errors import CybersecError
from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.support.flows.logs import DAY


def main() -> None:
    """Read both logs, and print a JSON document."""
    small, uri = sys.argv[1:]
    read(small)
    before = peak()
    message = read(uri)
    print(json.dumps({"message": message, "mib": peak() - before}))  # noqa: T201 - the parent reads it


def read(uri: str) -> str:
    """Read a day's logs, and return the error message or the number of kept records."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        try:
            return str(ingest(FlowSource(uri).logs_of(DAY, place / "logs"), place / "kept", place / "rejected").rows)
        except CybersecError as error:
            return str(error)


def peak() -> float:
    """Return the peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
