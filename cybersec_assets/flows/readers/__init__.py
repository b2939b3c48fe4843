"""Readers of log formats, one module or package for each.

To add a format, write a module that defines `READER` and add it to `READERS`. The reader's name becomes a value of
`FLOWS_FORMAT`.
"""

from cybersec_assets.flows.readers import argus, aws_vpc, ecs, nfdump, parquet
from cybersec_assets.flows.readers.base import Reader
from cybersec_assets.flows.readers.csv import table as csv
from cybersec_assets.flows.readers.suricata import flow as suricata
from cybersec_assets.flows.readers.zeek import json as zeek_json
from cybersec_assets.flows.readers.zeek import tsv as zeek

AUTO = "auto"
"""The value of `FLOWS_FORMAT` with which the format of each file is detected."""

READERS: tuple[Reader, ...] = (
    argus.READER,
    aws_vpc.READER,
    csv.READER,
    ecs.READER,
    nfdump.READER,
    parquet.READER,
    suricata.READER,
    zeek.READER,
    zeek_json.READER,
)
"""All readers, in the order in which they are tried on a file of unknown format."""


def readers() -> dict[str, Reader]:
    """Return all readers by name, in the order of `READERS`."""
    return {reader.name: reader for reader in READERS}
