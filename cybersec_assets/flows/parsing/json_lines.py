"""Files with a JSON object on each line, as rows that have what is wanted of it.

Two ways lead to the same rows:

    scan_objects   lines → a batch is decoded at once → where that fails, its halves → at last a line by itself
    scan_typed     Polars' own reader, some times as fast; one line that is not what it should be ends it

The first reads every value as text: that a number is none is for the reader to find, with the text to show for it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import polars as pl
from polars.io.plugins import register_io_source

from cybersec_assets.flows.line_counts import BLANK, LineCounts
from cybersec_assets.flows.parsing.lines import scan_lines
from cybersec_assets.flows.staging import StagedLog

Wanted = Mapping[str, pl.DataType]
"""Names, and what they hold: a scalar, or a Struct of such."""


PART_BYTES = 16 << 20
"""How much Polars' reader is given at once."""
MEMBER = re.compile(r'\s*"(?P<name>[^"\\]*)"\s*:\s*(?:"(?P<text>(?:[^"\\]|\\.)*)"|[\w.+-]+)\s*(?:,|\})')
BLANK_LINE = re.compile(rb"^[ \t\r]*\n", re.MULTILINE)


def first_objects(log: StagedLog) -> Iterator[dict[str, object]]:
    """Give the objects on a file's first lines; what is no object is passed over."""
    for line in log.first_lines:
        with suppress(ValueError, RecursionError):
            found = json.loads(line.removeprefix("\ufeff"))
            if isinstance(found, dict):
                yield found


@dataclass(frozen=True)
class LineTest:
    """A test of the lines of objects whose wanted values do not tell what they are.

    Attributes:
        where: Which objects are tested, by their wanted values.
        passes: Return whether a line passes.
    """

    where: pl.Expr
    passes: Callable[[str], bool]


def object_passes(passes: Callable[[Mapping[str, object]], bool], line: str) -> bool:
    """Return whether a line is an object that passes a test."""
    with suppress(ValueError, RecursionError):
        found = json.loads(line, parse_constant=_refuse)
        return isinstance(found, dict) and passes(found)
    return False


def begins_with(line: str, names: Sequence[str]) -> str | None:
    """Return the text that an object has for one of some names, as far as it can be read without the object's end.

    Args:
        line: The beginning of an object.
        names: The names. Only single values may be in front of the one that is found.
    """
    place = re.match(r"[ \t\ufeff]*\{", line)
    while place and (place := MEMBER.match(line, place.end())):
        if place["name"] in names and place["text"] is not None:
            return str(place["text"])
    return None


def scan_objects(
    log: StagedLog, wanted: Wanted, word: str = "", test: LineTest | None = None, kinds: Sequence[str] = ()
) -> pl.LazyFrame:
    """Read a file lazily.

    Args:
        log: The file.
        wanted: Names, each a String or a Struct of such.
        word: Only lines that have it are read; blank lines are not counted then.
        test: A test of some of the lines.
        kinds: The names whose text says what kind of record an object is.

    Returns:
        A row for each line that is not blank: `file`, `line`, `is_object`, `passes`, which is null where nothing is
        tested, `cut_kind`, the kind of a line that is cut, and what is wanted, null where it is not there.
    """
    texts = pl.Struct(dict(wanted))
    line_counts = LineCounts() if word else log.line_counts
    # Within one step, and not as an expression: a filter that is pushed into it would have each line parsed again.
    rows = (
        scan_lines(log)
        .filter(pl.col("text").str.contains(word, literal=True) if word else True)
        .map_batches(
            lambda batch: _objects(batch, texts, line_counts, test).with_columns(
                cut_kind=_cut_kinds(batch, log, kinds)
            ),
            schema=pl.Schema(
                {
                    "file": pl.String(),
                    "line": pl.UInt32(),
                    "object": texts,
                    "passes": pl.Boolean(),
                    "cut_kind": pl.String(),
                }
            ),
            predicate_pushdown=False,
            projection_pushdown=False,
            slice_pushdown=False,
            streamable=True,
        )
    )
    return rows.with_columns(is_object=pl.col("object").is_not_null()).unnest("object")


def scan_typed(log: StagedLog, wanted: Wanted, test: LineTest | None = None) -> pl.LazyFrame:
    """Read a file of which every line is an object, or blank, with every value of its own type.

    Args:
        log: The file.
        wanted: Names with their types; a String takes anything.
        test: A test of some of the lines.

    Returns:
        What `scan_objects` does, but for `line`, which is 0. A line that is none, or a value of another type, raises a
        PolarsError. A value as in `is_nested` may be written otherwise there.
    """
    schema = pl.Schema(wanted)
    rows = register_io_source(
        partial(_parts, log, schema, test), schema=pl.Schema(dict(schema) | {"passes": pl.Boolean()})
    )
    return rows.with_columns(file=pl.lit(log.name), line=pl.lit(0, pl.UInt32), is_object=True)


def _parts(
    log: StagedLog,
    schema: pl.Schema,
    test: LineTest | None,
    names: list[str] | None,
    where: pl.Expr | None,
    limit: int | None,
    _: int | None,
) -> Iterator[pl.DataFrame]:
    """Read a file part by part: Polars' reader maps all that it is given into memory, and it stays there."""
    objects = 0
    for part in _read_parts(log):
        rows = pl.scan_ndjson(part, schema=schema).collect()
        objects += rows.height
        rows = rows.with_columns(passes=_tested_rows(rows, part, test)).select(names or pl.all())
        found = rows if where is None else rows.filter(where)
        yield found if limit is None else found.head(limit)
        limit = None if limit is None else max(limit - found.height, 0)
    if objects != log.lines:
        # Looked for only where some are missing: Polars skips blank lines without a trace.
        log.line_counts.add(BLANK, sum(len(BLANK_LINE.findall(part)) for part in _read_parts(log)))


def _read_parts(log: StagedLog) -> Iterator[bytes]:
    with log.path.open("rb") as file:
        while part := file.read(PART_BYTES) + file.readline():
            yield part


def _tested_rows(rows: pl.DataFrame, part: bytes, test: LineTest | None) -> pl.Series | pl.Expr:
    """Return for each row whether its line passes a test, null where it is not tested."""
    if test is None or not rows.select(test.where.any()).item():
        return pl.lit(None, pl.Boolean)
    lines = [line.decode("utf-8", "replace") for line in part.split(b"\n") if line.strip(b" \t\r")]
    if len(lines) != rows.height:
        raise pl.exceptions.ComputeError
    return _passing(pl.Series(lines), rows.select(test.where).to_series(), test)


def _passing(lines: pl.Series, asked: pl.Series, test: LineTest) -> pl.Series:
    results = (test.passes(line) if is_asked else None for line, is_asked in zip(lines, asked, strict=True))
    return pl.Series(list(results), dtype=pl.Boolean)


def is_nested(types: Wanted) -> pl.Expr:
    """Tell whether a String may be an object or an array, of which the two ways write the text differently."""
    return pl.any_horizontal(text.str.contains(r"^[\[{]") for text in _texts(types))


def _texts(types: Wanted) -> Iterator[pl.Expr]:
    for name, dtype in types.items():
        if isinstance(dtype, pl.Struct):
            inner = {field.name: field.dtype for field in dtype.fields if isinstance(field.dtype, pl.String)}
            yield from map(pl.col(name).struct.field, inner)
        elif isinstance(dtype, pl.String):
            yield pl.col(name)


def _objects(batch: pl.DataFrame, wanted: pl.Struct, line_counts: LineCounts, test: LineTest | None) -> pl.DataFrame:
    text = pl.col("text").str.strip_chars(" \t\r\ufeff").replace("", None)
    is_whole = pl.col("rest").is_null()
    lines = batch.select("file", "line", pl.when(is_whole).then(text).alias("object"), is_whole)
    told = lines.filter(pl.col("object").is_not_null() | ~pl.col("rest")).drop("rest")
    line_counts.add(BLANK, lines.height - told.height)
    objects = _decode(_lone(told["object"]), wanted)
    return told.with_columns(objects, passes=_tested(told["object"], objects, test))


def _tested(lines: pl.Series, objects: pl.Series, test: LineTest | None) -> pl.Series:
    """Return for each object whether it passes a test, null where it is not tested."""
    if test is None:
        return pl.repeat(None, len(lines), dtype=pl.Boolean, eager=True)
    asked = objects.struct.unnest().select(test.where).to_series() & objects.is_not_null()
    return _passing(lines, asked, test)


def _cut_kinds(batch: pl.DataFrame, log: StagedLog, names: Sequence[str]) -> pl.Expr:
    """Return what kind of record a line is that is cut, by its beginning; null for any other line."""
    found = batch.filter(pl.col("line").is_in(list(log.cut))) if log.cut else batch.clear()
    kinds = {line: begins_with(text or "", names) for line, text in found.select("line", "text").iter_rows()}
    if not kinds:
        return pl.lit(None, pl.String)
    return pl.col("line").replace_strict(kinds, default=None, return_dtype=pl.String)


def _lone(lines: pl.Series) -> pl.Series:
    """Give null for a line that is not one object.

    Polars joins lines with commas before it parses them, so that a line with two objects and two with halves of one
    would even out. No line splits into two that begins and ends with a brace and has none behind a comma, and where
    none splits, two that melt into one change their number. Any other is tried by itself.
    """
    plain = lines.str.contains(r"^\{.*\}$") & ~lines.str.contains(r",\s*\{")
    if plain.all():
        return lines
    kept = (line if sure or _is_object(line) else None for line, sure in zip(lines, plain, strict=True))
    return pl.Series(lines.name, list(kept), pl.String)


def _is_object(line: str | None) -> bool:
    with suppress(ValueError, RecursionError):
        return line is not None and isinstance(json.loads(line, parse_constant=_refuse), dict)
    return False


def _decode(lines: pl.Series, wanted: pl.Struct) -> pl.Series:
    try:
        found = lines.str.json_decode(wanted)
    except pl.exceptions.ComputeError:
        found = lines.clear()
    if len(found) == len(lines):
        return found
    if len(lines) == 1:
        return pl.Series(lines.name, [_alone(lines[0], wanted)], wanted)
    middle = len(lines) // 2
    return pl.concat([_decode(lines[:middle], wanted), _decode(lines[middle:], wanted)])


def _alone(line: str, wanted: pl.Struct) -> object:
    """Parse one line; a name that is wanted may hold something else in a record of another kind."""
    try:
        return _pick(json.loads(line, parse_constant=_refuse, object_pairs_hook=_firsts), wanted)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _firsts(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Keep the first value of a name, as Polars does."""
    found: dict[str, object] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _pick(value: object, wanted: object) -> object:
    if isinstance(wanted, pl.Struct):
        if not isinstance(value, dict):
            return None
        return {field.name: _pick(value.get(field.name), field.dtype) for field in wanted.fields}
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="replace").decode()
