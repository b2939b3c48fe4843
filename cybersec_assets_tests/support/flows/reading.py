"""A process of its own that reads a day's logs, and tells what came of it and how much memory it took.

`python -m cybersec_assets_tests.support.flows.reading SMALL URI` reads a small log first, so that what every
reading takes (the libraries, the first threads) is not counted as the second's.
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
    """Read both, and print a JSON document."""
    small, uri = sys.argv[1:]
    read(small)
    before = peak()
    said = read(uri)
    print(json.dumps({"said": said, "mib": peak() - before}))  # noqa: T201 - the parent reads it


def read(uri: str) -> str:
    """Read a day's logs, and give the error, or how many records were kept."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        try:
            return str(ingest(FlowSource(uri).logs_of(DAY, place / "logs"), place / "kept", place / "rejected").rows)
        except CybersecError as error:
            return str(error)


def peak() -> float:
    """Give the most memory that this process had in use at once, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
