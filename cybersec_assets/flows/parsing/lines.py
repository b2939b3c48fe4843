"""A log's lines as they stand, each whole and with its number."""

from functools import lru_cache

import polars as pl

from cybersec_assets.flows.staging import StagedLog

SENTINEL = "\x01"
"""No log has such a character: what stands behind one shows in `rest`."""
CONTROL_CHARACTERS = (SENTINEL, *"\x02\x03\x04\x05\x06\x07\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b")
CHUNK_BYTES = 1 << 20


def scan_lines(log: StagedLog) -> pl.LazyFrame:
    """Read a log's lines lazily.

    Returns:
        A row a line, blank ones too: `file`; `line`, its number; `text`; `rest`, null unless the line has SENTINEL.
    """
    rows = whole_lines(log)
    halves = (pl.col("text"), pl.col("rest")) if _absent_sign(log) == SENTINEL else _halves(pl.col("text"))
    return rows.select(pl.lit(log.name).alias("file"), pl.col("line").cast(pl.UInt32), *halves)


def whole_lines(log: StagedLog) -> pl.LazyFrame:
    """Read a log's lines lazily, none cut in two.

    Returns:
        A row a line, blank ones too: `line`, its number; `text`. Only in a log that has all CONTROL_CHARACTERS does
        `text` end at SENTINEL, with `rest` behind it.
    """
    return pl.scan_csv(
        log.path,
        has_header=False,
        separator=_absent_sign(log),
        quote_char=None,
        schema={"text": pl.String, "rest": pl.String},
        missing_columns="insert",
        extra_columns="ignore",
        encoding="utf8-lossy",
        row_index_name="line",
        row_index_offset=log.first_line,
        glob=False,
    )


def _halves(text: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    return text.str.extract(f"^([^{SENTINEL}]*)"), text.str.extract(f"(?s){SENTINEL}(.*)$").alias("rest")


def holds(log: StagedLog, sign: str) -> bool:
    """Tell whether an ASCII character is anywhere in a log."""
    with log.path.open("rb") as file:
        return any(sign.encode() in chunk for chunk in iter(lambda: file.read(CHUNK_BYTES), b""))


@lru_cache(maxsize=1024)
def _absent_sign(log: StagedLog) -> str:
    """Give a character that a log does not have: Polars shows no trace of one that ends a line."""
    return next((sign for sign in CONTROL_CHARACTERS if not holds(log, sign)), SENTINEL)
