"""Read the lines of a log unchanged, with their numbers."""

from functools import lru_cache

import polars as pl

from cybersec_assets.flows.compression import CHUNK_BYTES
from cybersec_assets.flows.staging import StagedLog

SENTINEL = "\x01"
"""A character that no sensor writes. Where a line has it, the text behind it is in the column `rest`."""
CONTROL_CHARACTERS = (SENTINEL, *"\x02\x03\x04\x05\x06\x07\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b")
"""Candidates for a character that a log does not contain."""


def scan_lines(log: StagedLog) -> pl.LazyFrame:
    """Read a log's lines lazily.

    Returns:
        A row for each line, also for blank ones: `file`; `line`, its number; `text`; and `rest`, null unless the line
        has SENTINEL.
    """
    rows = whole_lines(log)
    text = pl.col("text")
    halves = (text, pl.col("rest"))
    if _absent_character(log) != SENTINEL:
        halves = (text.str.extract(f"^([^{SENTINEL}]*)"), text.str.extract(f"(?s){SENTINEL}(.*)$").alias("rest"))
    return rows.select(pl.lit(log.name).alias("file"), pl.col("line").cast(pl.UInt32), *halves)


def whole_lines(log: StagedLog) -> pl.LazyFrame:
    """Read a log's lines lazily, without splitting them at SENTINEL.

    Returns:
        A row for each line, also for blank ones: `line`, its number, and `text`. Only in a log that contains all
        CONTROL_CHARACTERS does `text` end at SENTINEL, with the text behind it in `rest`.
    """
    # Polars has no reader of lines. A CSV with a separator that the log does not contain has one column.
    return pl.scan_csv(
        log.path,
        has_header=False,
        separator=_absent_character(log),
        quote_char=None,
        schema={"text": pl.String, "rest": pl.String},
        missing_columns="insert",
        extra_columns="ignore",
        encoding="utf8-lossy",
        row_index_name="line",
        row_index_offset=log.first_line,
        glob=False,
    )


def holds(log: StagedLog, character: str) -> bool:
    """Return whether an ASCII character is anywhere in a log."""
    with log.path.open("rb") as file:
        return any(character.encode() in chunk for chunk in iter(lambda: file.read(CHUNK_BYTES), b""))


@lru_cache(maxsize=1024)
def _absent_character(log: StagedLog) -> str:
    """Return a character that a log does not contain: Polars drops a separator at the end of a line."""
    return next((character for character in CONTROL_CHARACTERS if not holds(log, character)), SENTINEL)
