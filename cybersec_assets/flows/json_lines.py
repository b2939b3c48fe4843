"""Files with a JSON object on each line, as rows that have what is wanted of it.

lines → a batch is decoded at once → where that fails, its halves → at last a line by itself, by Python's own parser

Every value is read as text: that a number is none is for the reader to find, with the text to show for it.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

import polars as pl

from cybersec_assets.flows.lines import scan_lines
from cybersec_assets.flows.logfile import LogFile


def first_objects(log: LogFile) -> Iterator[dict[str, object]]:
    """Give the objects on a file's first lines; what is no object is passed over."""
    for line in log.first_lines:
        with suppress(ValueError, RecursionError):
            found = json.loads(line.removeprefix("\ufeff"))
            if isinstance(found, dict):
                yield found


def scan_objects(log: LogFile, wanted: pl.Struct) -> pl.LazyFrame:
    """Read a file lazily.

    Args:
        log: The file.
        wanted: Names, each a String or a Struct of such.

    Returns:
        A row for each line that is not blank: `file`, `line`, and `object`, null where the line is no JSON object.
    """
    # Within one step, and not as an expression: a filter that is pushed into it would have each line parsed again.
    return scan_lines(log).map_batches(
        lambda batch: _objects(batch, wanted),
        schema=pl.Schema([("file", pl.String()), ("line", pl.UInt32()), ("object", wanted)]),
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
        streamable=True,
    )


def _objects(batch: pl.DataFrame, wanted: pl.Struct) -> pl.DataFrame:
    text = pl.col("text").str.strip_chars(" \t\r\ufeff").replace("", None)
    is_whole = pl.col("rest").is_null()
    lines = batch.select("file", "line", pl.when(is_whole).then(text).alias("object"), is_whole)
    told = lines.filter(pl.col("object").is_not_null() | ~pl.col("rest")).drop("rest")
    return told.with_columns(_decode(told["object"], wanted))


def _decode(lines: pl.Series, wanted: pl.Struct) -> pl.Series:
    try:
        found = lines.str.json_decode(wanted)
    except pl.exceptions.ComputeError:
        found = lines.clear()
    # Polars joins lines before it parses them: two that are one object, or one that is two, change their number.
    if len(found) == len(lines):
        return found
    if len(lines) == 1:
        return pl.Series(lines.name, [_alone(lines[0], wanted)], wanted)
    middle = len(lines) // 2
    return pl.concat([_decode(lines[:middle], wanted), _decode(lines[middle:], wanted)])


def _alone(line: str, wanted: pl.Struct) -> object:
    """Parse one line; a name that is wanted may hold something else in a record of another kind."""
    try:
        return _pick(json.loads(line, parse_constant=_refuse), wanted)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _pick(value: object, wanted: object) -> object:
    if isinstance(wanted, pl.Struct):
        if not isinstance(value, dict):
            return None
        return {field.name: _pick(value.get(field.name), field.dtype) for field in wanted.fields}
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="replace").decode()
