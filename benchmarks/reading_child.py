"""Read one file in one way: `python -m benchmarks.reading_child WAY FILE FOLDER`.

`ours` does everything from logs to Parquet: copy, hash, measure, parse, check. Each bare way is one call of Polars that
is given the columns and their types and checks nothing.
"""

import datetime as dt
import gzip
import sys
import time
from pathlib import Path

DAY = dt.date(2024, 4, 19)
UNSET = "-"
EMPTY = "(empty)"


def ours(file: Path, folder: Path) -> int:
    """Ingest a log and return the number of its records."""
    from cybersec_assets.flows.ingest import ingest
    from cybersec_assets.flows.source import FlowSource

    ingested = ingest(FlowSource(str(file)).logs_of(DAY, folder / "logs"), folder / "kept", folder / "rejected")
    assert ingested.rejected == 0
    return ingested.rows


def bare_csv(file: Path, folder: Path) -> int:
    """Read all columns of a Zeek log with their types."""
    import polars as pl

    types = {"time": pl.Float64, "interval": pl.Float64, "count": pl.Int64, "port": pl.Int32}
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        header = dict(
            line.decode().rstrip("\n").split("\t", 1) for line in (next(lines) for _ in range(8)) if b"\t" in line
        )
    names = zip(header["#fields"].split("\t"), header["#types"].split("\t"), strict=True)
    schema = {name: types.get(kind, pl.String) for name, kind in names}
    options = {"has_header": False, "quote_char": None, "comment_prefix": "#", "null_values": [UNSET, EMPTY]}
    pl.scan_csv(file, separator="\t", schema=schema, **options).sink_parquet(folder / "bare")
    return _rows(folder / "bare")


def bare_ndjson(file: Path, folder: Path) -> int:
    """Read all fields of the objects."""
    import polars as pl

    pl.scan_ndjson(file, infer_schema_length=20_000).sink_parquet(folder / "bare")
    return _rows(folder / "bare")


def _rows(file: Path) -> int:
    import polars as pl

    return int(pl.scan_parquet(file).select(pl.len()).collect().item())


WAYS = {way.__name__: way for way in (ours, bare_csv, bare_ndjson)}


def main() -> None:
    """Read a file, and print its records, seconds and processor seconds."""
    # Import what both ways need before the measurement starts.
    import polars as pl

    import cybersec_assets.flows.ingest
    import cybersec_assets.flows.source  # noqa: F401

    pl.thread_pool_size()
    way, file, folder = sys.argv[1:]
    began = time.monotonic()
    busy = time.process_time()
    rows = WAYS[way](Path(file), Path(folder))
    print(rows, time.monotonic() - began, time.process_time() - busy)


if __name__ == "__main__":
    main()
