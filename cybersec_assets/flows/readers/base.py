"""What a reader is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from cybersec_assets.flows.staged_log import StagedLog

Scan = Callable[[Sequence[StagedLog]], pl.LazyFrame]
"""Reads files lazily."""
READING_FAILED = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What ends a reading: Polars panics, too, over a damaged file's contents, and that is no `Exception`."""


@dataclass(frozen=True)
class Reader:
    """A log format.

    Attributes:
        name: Its name in `FLOWS_FORMAT`.
        recognises: Tells by a file's head whether it is of this format.
        scan: Gives the records of files lazily: the columns of RAW, then those of ORIGIN.
        quick: Where there is a faster way for files without a fault: gives the columns of RAW, then `suspect`, true
            for a record of which only `scan` can tell whether it is at fault. Where none is, both give the same.
        together: Whether one file says something of another's records, so that a day's are read at once.
        mapped: Whether FLOWS_COLUMNS can tell it which columns are meant.
        isolate: Whether a damaged file may end the process that reads it. `scan` can be pickled then.
        json: Whether a record is a JSON object.
        prefixed: Whether no record begins as the prefix of a transport does, so that a line that does has one.
    """

    name: str
    recognises: Callable[[StagedLog], bool]
    scan: Scan
    quick: Scan | None = None
    together: bool = False
    mapped: bool = False
    isolate: bool = False
    json: bool = False
    prefixed: bool = False


def each(scan: Callable[[StagedLog], pl.LazyFrame]) -> Scan:
    """Read files one by one, as formats do in which no file says anything of another's records."""
    return partial(_each, scan)


def _each(scan: Callable[[StagedLog], pl.LazyFrame], logs: Sequence[StagedLog]) -> pl.LazyFrame:
    return pl.concat([scan(log) for log in logs])
