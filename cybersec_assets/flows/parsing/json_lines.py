"""Read files with a JSON object on each line as rows with the wanted values.

There are two ways to the same rows:

    scan_objects   the complete path: decode a batch of lines; if that fails, its halves, down to single lines
    scan_typed     the fast path: Polars' own reader, several times as fast, which raises an error on any invalid line

`scan_objects` reads every value as text, so that a reader can report an invalid number with its text.
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
"""The type of each wanted name: a scalar, or a Struct of scalars."""
PART_BYTES = 16 << 20
"""How many bytes Polars' reader gets at once."""
MEMBER = re.compile(r'\s*"(?P<name>[^"\\]*)"\s*:\s*(?:"(?P<text>(?:[^"\\]|\\.)*)"|[\w.+-]+)\s*(?:,|\})')
BLANK_LINE = re.compile(rb"^[ \t\r]*\n", re.MULTILINE)


def first_objects(log: StagedLog) -> Iterator[dict[str, object]]:
    """Yield the objects on a file's first lines; other lines are skipped."""
    for line in log.first_lines:
        with suppress(ValueError, RecursionError):
            found = json.loads(line.removeprefix("\ufeff"))
            if isinstance(found, dict):
                yield found


@dataclass(frozen=True)
class LineTest:
    """A test of whole lines, for objects whose wanted values do not show what they are.

    Attributes:
        where: Selects the objects to test by their wanted values.
        passes: Returns whether a line passes.
    """

    where: pl.Expr
    passes: Callable[[str], bool]


def object_passes(passes: Callable[[Mapping[str, object]], bool], line: str) -> bool:
    """Return whether a line is an object that passes a test."""
    with suppress(ValueError, RecursionError):
        found = json.loads(line, parse_constant=_reject)
        return isinstance(found, dict) and passes(found)
    return False


def begins_with(line: str, names: Sequence[str]) -> str | None:
    """Return the text of one of some names in a truncated object, or None if it cannot be found.

    Args:
        line: The beginning of an object.
        names: The names. Only scalar values may be in front of the one that is found.
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
        wanted: The wanted names, each a String or a Struct of Strings.
        word: Only lines with this text are read; blank lines are not counted then.
        test: A test of some of the lines.
        kinds: The names whose text is the kind of a record.

    Returns:
        A row for each line that is not blank: `file`; `line`; `is_object`; `passes`, null for a line that is not
        tested; `cut_kind`, the kind of a truncated line; and the wanted values, null where they are missing.
    """
    texts = pl.Struct(dict(wanted))
    line_counts = LineCounts() if word else log.line_counts
    # This is one step, not an expression: Polars would push a filter into it and parse each line again.
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
    """Read a file lazily whose lines are all blank or objects with typed values.

    Args:
        log: The file.
        wanted: The wanted names with their types. A String takes any value.
        test: A test of some of the lines.

    Returns:
        The rows of `scan_objects`, but with 0 as `line`. Any other line, or a value of another type, raises a
        PolarsError. The text of a value for which `is_nested` is true may differ.
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
    """Yield a file part by part: Polars' reader maps all of its input into memory and keeps it there."""
    objects = 0
    for part in _read_parts(log):
        rows = pl.scan_ndjson(part, schema=schema).collect()
        objects += rows.height
        rows = rows.with_columns(passes=_tested_rows(rows, part, test)).select(names or pl.all())
        found = rows if where is None else rows.filter(where)
        yield found if limit is None else found.head(limit)
        limit = None if limit is None else max(limit - found.height, 0)
    if objects != log.lines:
        # Polars skips blank lines without counting them.
        log.line_counts.add(BLANK, sum(len(BLANK_LINE.findall(part)) for part in _read_parts(log)))


def _read_parts(log: StagedLog) -> Iterator[bytes]:
    with log.path.open("rb") as file:
        while part := file.read(PART_BYTES) + file.readline():
            yield part


def _tested_rows(rows: pl.DataFrame, part: bytes, test: LineTest | None) -> pl.Series | pl.Expr:
    """Return whether each row's line passes a test, null where it is not tested."""
    if test is None or not rows.select(test.where.any()).item():
        return pl.lit(None, pl.Boolean)
    lines = [line.decode("utf-8", "replace") for line in part.split(b"\n") if line.strip(b" \t\r")]
    if len(lines) != rows.height:
        raise pl.exceptions.ComputeError
    return _passing(pl.Series(lines), rows.select(test.where).to_series(), test)


def _passing(lines: pl.Series, is_tested: pl.Series, test: LineTest) -> pl.Series:
    results = (test.passes(line) if tested else None for line, tested in zip(lines, is_tested, strict=True))
    return pl.Series(list(results), dtype=pl.Boolean)


def is_nested(types: Wanted) -> pl.Expr:
    """Return whether a String may be an object or an array, whose text the two paths write differently."""
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
    filled = lines.filter(pl.col("object").is_not_null() | ~pl.col("rest")).drop("rest")
    line_counts.add(BLANK, lines.height - filled.height)
    objects = _decode(_single_objects(filled["object"]), wanted)
    return filled.with_columns(objects, passes=_tested(filled["object"], objects, test))


def _tested(lines: pl.Series, objects: pl.Series, test: LineTest | None) -> pl.Series:
    """Return whether each object passes a test, null where it is not tested."""
    if test is None:
        return pl.repeat(None, len(lines), dtype=pl.Boolean, eager=True)
    is_tested = objects.struct.unnest().select(test.where).to_series() & objects.is_not_null()
    return _passing(lines, is_tested, test)


def _cut_kinds(batch: pl.DataFrame, log: StagedLog, names: Sequence[str]) -> pl.Expr:
    """Return the kind of each truncated line, read from its beginning; null for any other line."""
    found = batch.filter(pl.col("line").is_in(list(log.cut))) if log.cut else batch.clear()
    kinds = {line: begins_with(text or "", names) for line, text in found.select("line", "text").iter_rows()}
    if not kinds:
        return pl.lit(None, pl.String)
    return pl.col("line").replace_strict(kinds, default=None, return_dtype=pl.String)


def _single_objects(lines: pl.Series) -> pl.Series:
    """Replace each line that is not exactly one object with null.

    Polars joins lines with commas before it parses them. A line with two objects and two lines with half an object each
    would therefore give the right number of objects. A line that begins and ends with a brace, and has no brace behind
    a comma, cannot be two objects. If all lines are like that, halves that merge change the number of objects, which
    `_decode` notices. Any other line is parsed by itself here.
    """
    plain = lines.str.contains(r"^\{.*\}$") & ~lines.str.contains(r",\s*\{")
    if plain.all():
        return lines
    kept = (line if sure or _is_object(line) else None for line, sure in zip(lines, plain, strict=True))
    return pl.Series(lines.name, list(kept), pl.String)


def _is_object(line: str | None) -> bool:
    with suppress(ValueError, RecursionError):
        return line is not None and isinstance(json.loads(line, parse_constant=_reject), dict)
    return False


def _decode(lines: pl.Series, wanted: pl.Struct) -> pl.Series:
    try:
        found = lines.str.json_decode(wanted)
    except pl.exceptions.ComputeError:
        found = lines.clear()
    if len(found) == len(lines):
        return found
    if len(lines) == 1:
        return pl.Series(lines.name, [_decode_one(lines[0], wanted)], wanted)
    middle = len(lines) // 2
    return pl.concat([_decode(lines[:middle], wanted), _decode(lines[middle:], wanted)])


def _decode_one(line: str, wanted: pl.Struct) -> object:
    """Parse one line; in a record of another kind, a wanted name may have a value of another type."""
    try:
        return _pick(json.loads(line, parse_constant=_reject, object_pairs_hook=_first_values), wanted)
    except (ValueError, RecursionError):
        return None


def _reject(constant: str) -> NoReturn:
    raise ValueError(constant)


def _first_values(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Keep the first value of a repeated name, as Polars does."""
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
