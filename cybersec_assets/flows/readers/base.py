"""What a reader is: the functions that recognise and read one log format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from cybersec_assets.flows.parsing.mapping import Columns
from cybersec_assets.flows.staging import StagedLog

Scan = Callable[[Sequence[StagedLog]], pl.LazyFrame]
"""A function that reads log files lazily."""
READING_FAILED = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What Polars raises where it cannot read a file. It panics on some damaged files; a panic is not an `Exception`."""


@dataclass(frozen=True)
class Reader:
    """A log format, and the two ways to read it.

    `scan` is the complete path. It reads every value as text, and reports each row that has an error: the row's file
    and line, the raw column that is wrong, and the text that it has there.

    `fast_scan` is the fast path. It reads numbers as numbers, which takes half the time or less, but it cannot say what
    is wrong with a row. It returns the rows with one more column, the boolean `suspect`. Where any row is suspect, or
    `fast_scan` raises an error, its result is discarded and the files are read again with `scan`. Where no row is,
    `scan` would have returned the same rows and no error.

    Attributes:
        name: The name of the format in `FLOWS_FORMAT`.
        recognises: Returns whether a file has this format, judged by its first lines.
        scan: Returns the columns of RAW_SCHEMA and ORIGIN. With `mapped`, it takes the mapping of columns as `columns`.
        fast_scan: Returns the columns of RAW_SCHEMA and `suspect`. None where a format has no fast path.
        together: Whether records of one file depend on other files, so that all files of a day are read at once.
        mapped: Whether FLOWS_COLUMNS applies to the format.
        isolate: Whether a damaged file can crash the process. Its `scan` runs in a process of its own, so it must be
            possible to pickle it.
        json: Whether records are JSON objects.
        prefixed: Whether a line that begins like the prefix of a log transport always has one, as no record of the
            format begins like that.
    """

    name: str
    recognises: Callable[[StagedLog], bool]
    scan: Callable[..., pl.LazyFrame]
    fast_scan: Scan | None = None
    together: bool = False
    mapped: bool = False
    isolate: bool = False
    json: bool = False
    prefixed: bool = False

    def scan_with(self, columns: Columns | None) -> Scan:
        """Return `scan`, with the user's mapping of columns where the format takes one."""
        return partial(self.scan, columns=columns) if self.mapped else self.scan


def each(scan: Callable[..., pl.LazyFrame]) -> Callable[..., pl.LazyFrame]:
    """Return a `Scan` that reads one file at a time, for formats whose files do not depend on each other."""
    return partial(_each, scan)


def _each(scan: Callable[..., pl.LazyFrame], logs: Sequence[StagedLog], **mapping: Columns | None) -> pl.LazyFrame:
    return pl.concat([scan(log, **mapping) for log in logs])
