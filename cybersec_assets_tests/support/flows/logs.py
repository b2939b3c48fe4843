"""Log files for the tests, written independently of the code under test, and ways to read them."""

import datetime as dt
import gzip
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, settings

from cybersec_assets.flows.ingest import ingest, require_share
from cybersec_assets.flows.plan import DayLogs
from cybersec_assets.flows.schema import ORIGIN
from cybersec_assets.flows.source import FlowSource

DAY = dt.date(2024, 4, 19)
MIDNIGHT = 1_713_484_800
"""The first second of the day, since 1970."""

examples = settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
"""Settings of property tests: no deadline on slow machines, and no files in the checkout."""

ZEEK = {
    "ts": f"{MIDNIGHT + 60}.943239",
    "uid": "CUM0KZ3MLUfNB0cl11",
    "id.orig_h": "10.0.0.1",
    "id.orig_p": "50000",
    "id.resp_h": "2001:db8::1",
    "id.resp_p": "443",
    "proto": "tcp",
    "service": "ssl",
    "duration": "1.5",
    "orig_bytes": "10",
    "resp_bytes": "20",
    "conn_state": "SF",
    "orig_pkts": "3",
    "resp_pkts": "4",
}
"""A connection as Zeek writes it."""

CSV = {
    "timestamp": "2024-04-19T10:00:00.000001Z",
    "src_ip": "10.0.0.1",
    "dst_ip": "10.0.0.2",
    "bytes": "30",
    "duration": "1.5",
    "protocol": "TCP",
}
"""A flow in our own CSV."""


NOTHING = pl.DataFrame(schema=ORIGIN)


def zeek_header(fields: Iterable[str] = ZEEK) -> str:
    """Return a header as Zeek writes it."""
    lines = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tconn"]
    return "".join(f"{line}\n" for line in [*lines, "\t".join(["#fields", *fields])])


def zeek_row(**values: str) -> str:
    """Return a line, with some fields changed; `__` replaces the dot in a name."""
    return "\t".join((ZEEK | {name.replace("__", "."): value for name, value in values.items()}).values()) + "\n"


def zeek_log(*rows: str, fields: Iterable[str] = ZEEK) -> str:
    """Return a whole log."""
    return zeek_header(fields) + "".join(rows)


def csv_row(**values: str) -> str:
    """Return a line, with some fields changed."""
    return ",".join((CSV | values).values()) + "\n"


def csv_log(*rows: str) -> str:
    """Return a whole CSV file."""
    return ",".join(CSV) + "\n" + "".join(rows)


def abortive_parquet(flow: Mapping[str, object]) -> bytes:
    """Return a file on which Polars aborts: the headers of its pages claim a negative number of values."""
    content = io.BytesIO()
    table = pl.DataFrame({name: [value, None, value] for name, value in flow.items()})
    table.write_parquet(content, compression="uncompressed", statistics=False)
    return content.getvalue().replace(b",\x15\x06", b",\x15\x23")


def write(path: Path, content: str | bytes, *, packed: bool = False) -> Path:
    """Write a file, optionally with gzip."""
    plain = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(plain) if packed else plain)
    return path


def find(uri: Path | str | None, fmt: str = "auto", **options: Any) -> DayLogs:
    """Return logs whose records are not read: the copies are deleted when this returns."""
    with tempfile.TemporaryDirectory() as folder:
        logs = FlowSource(None if uri is None else str(uri), fmt, **options).logs_of(DAY, Path(folder) / "logs")
        for part in logs.parts:
            part.scan(part.files).collect_schema()
        return logs


def read(
    uri: Path | str, fmt: str = "auto", *, share: float = 1.0, **options: Any
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Ingest logs in this process, and return the kept and the rejected records."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept.parquet"
        rejected = Path(folder) / "rejected.parquet"
        logs = FlowSource(str(uri), fmt, **options).logs_of(DAY, Path(folder) / "logs")
        ingested = ingest(here(logs), kept, rejected)
        require_share(ingested, share)
        frames = pl.read_parquet(kept), pl.read_parquet(rejected) if ingested.rejected else NOTHING
    assert (ingested.rows, ingested.rejected) == tuple(frame.height for frame in frames)
    return frames


def here(logs: DayLogs) -> DayLogs:
    """Return logs that are all read in this process: starting another takes a second."""
    return replace(logs, parts=[replace(part, isolate=False) for part in logs.parts])


def faults(rejected: pl.DataFrame) -> Sequence[tuple[int, str, str]]:
    """Return the line, fault and value of each rejected record."""
    return rejected.select("line", "fault", "value").rows()


def only(frame: pl.DataFrame) -> dict[str, object]:
    """Return a table's only row."""
    assert frame.height == 1
    return frame.row(0, named=True)
