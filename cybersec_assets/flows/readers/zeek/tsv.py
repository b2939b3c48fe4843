"""Read Zeek's `conn.log` as tab-separated text, according to its own header.

The format: https://docs.zeek.org/en/master/log-formats.html. Columns may be in any order, and others may be between
them. Lines that begin with `#`, and lines with only separators, are not records. Headers, and logs whose header
changes, are handled in `header`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import polars as pl

from cybersec_assets.flows.line_counts import BLANK, COMMENT
from cybersec_assets.flows.parsing.lines import whole_lines
from cybersec_assets.flows.parsing.records import assemble, require_columns, unchanged, unknown_texts
from cybersec_assets.flows.parsing.times import from_epoch, from_float_epoch
from cybersec_assets.flows.parsing.values import Field
from cybersec_assets.flows.readers.base import Reader, each
from cybersec_assets.flows.readers.zeek.conn import NEEDED, NUMBERS, conn_fields
from cybersec_assets.flows.readers.zeek.header import Block, Header, blocks
from cybersec_assets.flows.schema import LAST_PORT, NEVER_NULL, PORTS, RAW_SCHEMA, VOLUMES
from cybersec_assets.flows.staging import StagedLog

ESCAPE = re.compile(rb"\\x([0-9A-Fa-f]{2})")


def scan(log: StagedLog) -> pl.LazyFrame:
    """Read a connection log lazily.

    Returns:
        The columns of RAW_SCHEMA and ORIGIN, a record for each line.

    Raises:
        UnreadableLogError: A header is missing, or lacks a required column.
    """
    return _each_block(log, _scan_block)


def fast_scan(log: StagedLog) -> pl.LazyFrame:
    """Read a connection log lazily, with typed numbers.

    Returns:
        The columns of RAW_SCHEMA and `suspect`, a record for each line. A line with a wrong number of fields, or with
        an invalid number, is suspect or raises an error. Text that is not UTF-8 raises an error.
    """
    return _each_block(log, _fast_scan_block)


def _each_block(log: StagedLog, read: Callable[[Block], pl.LazyFrame]) -> pl.LazyFrame:
    found = blocks(log)
    for block in found:
        part = block.log
        where = log.name if part.first_line == log.first_line else f"{log.name} line {part.first_line}"
        require_columns(replace(part, name=where), block.header.fields, NEEDED)
    return pl.concat(map(read, found))


def _scan_block(block: Block) -> pl.LazyFrame:
    header = block.header
    columns = [f"c{i}" for i in range(len(header.fields))]
    rows = pl.scan_csv(
        block.log.path,
        has_header=False,
        separator=header.separator,
        quote_char=None,
        schema=dict.fromkeys(columns, pl.String),
        missing_columns="insert",
        extra_columns="ignore",
        encoding="utf8-lossy",
        row_index_name="line",
        row_index_offset=block.log.first_line,
        glob=False,
    ).with_columns(pl.lit(block.log.name).alias("file"), pl.col("line").cast(pl.UInt32))
    uneven = pl.col("separators") != len(columns) - 1
    if header.empty:
        uneven |= pl.col(columns[-1]).is_null()
    comment = pl.col("c0").str.starts_with("#").fill_null(value=False)
    row_error = pl.when(uneven).then(pl.lit("number of fields"))
    kind = pl.when(comment).then(pl.lit(COMMENT)).when(pl.col("is_empty")).then(pl.lit(BLANK))
    records = block.log.line_counts.skip(pl.concat([rows, _separators(block)], how="horizontal"), kind)
    return assemble(records, conn_fields(_texts(block, header.fields), from_epoch), row_error=row_error)


def _separators(block: Block) -> pl.LazyFrame:
    """Return the number of separators of each line, and whether it has nothing else.

    The fields do not show this: Polars returns null for an empty field and for a missing one.
    """
    separator = block.header.separator
    text = pl.col("text").fill_null("")
    return whole_lines(block.log).select(
        separators=text.str.count_matches(separator, literal=True), is_empty=text.str.strip_chars(separator) == ""
    )


def _texts(block: Block, names: Iterable[str]) -> dict[str, pl.Expr]:
    """Return the text of each field with escapes resolved; null where it is unset or empty."""
    header = block.header
    columns = {name: _column(header, name) for name in names}
    texts: dict[str, pl.Expr]
    texts = {name: pl.when(it != header.unset, it != header.empty).then(it) for name, it in columns.items()}
    if block.escaped:
        texts = {name: text.map_batches(_unescape, pl.String, is_elementwise=True) for name, text in texts.items()}
    # Polars ignores blanks before a number when it parses a CSV, but not when it casts text.
    numbers = {name: texts[name].str.strip_chars_start(" \t") for name in NUMBERS if name in texts}
    return texts | {name: pl.when(text != "").then(text) for name, text in numbers.items()}


def _column(header: Header, name: str) -> pl.Expr:
    return pl.col(f"c{header.fields.index(name)}")


def _unescape(texts: pl.Series) -> pl.Series:
    r"""Replace each `\xHH` with the character that it stands for. Bytes that are not UTF-8 stay escaped."""
    escaped = texts.filter(texts.str.contains(r"\x", literal=True)).unique()
    return texts.replace(escaped, [_unescape_one(text) for text in escaped])


def _unescape_one(text: str) -> str:
    plain = ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode())
    return plain.decode("utf-8", "backslashreplace")


def _fast_scan_block(block: Block) -> pl.LazyFrame:
    header = block.header
    block.log.line_counts.add(COMMENT, block.comments)
    *names, last = header.fields
    # The last field is read as unchanged text: where it is null, it is empty or missing.
    types = [*(NUMBERS.get(name, pl.String()) for name in names), pl.String()]
    schema = {f"c{i}": dtype for i, dtype in enumerate(types)}
    rows = pl.scan_csv(
        block.log.path,
        has_header=False,
        separator=header.separator,
        quote_char=None,
        comment_prefix="#",
        schema=schema,
        null_values=dict.fromkeys([*schema][:-1], header.unset),
        glob=False,
    )
    if not block.even:
        # Request every column: only then does Polars raise an error for a line that is too long.
        rows = rows.map_batches(unchanged, projection_pushdown=False, streamable=True)
    texts = _texts(block, [last, *(name for name in names if name not in NUMBERS)])
    typed = {name: _column(header, name) for name in names if name in NUMBERS}
    doubt = pl.col([*schema][-1]).is_null()
    if last in NUMBERS:
        doubt |= texts[last].is_not_null() & texts[last].cast(NUMBERS[last], strict=False).is_null()
    return _checked(rows, conn_fields(texts | typed, from_float_epoch), doubt)


def _checked(rows: pl.LazyFrame, fields: Mapping[str, Field], doubt: pl.Expr) -> pl.LazyFrame:
    nothing = {name: pl.lit(None, dtype) for name, dtype in RAW_SCHEMA.items() if name not in fields}
    values = {name: field.value.cast(RAW_SCHEMA[name]) for name, field in fields.items()}
    doubt = pl.any_horizontal(doubt, *(text.is_not_null() for text in unknown_texts(fields)))
    parsed = rows.select(**nothing, **values, doubt=doubt)
    missing = [pl.col(name).is_null() for name in NEVER_NULL]
    negative = [pl.col(name) < 0 for name in VOLUMES]
    overflows = pl.col("bytes").is_null() & pl.any_horizontal(pl.col("orig_bytes", "resp_bytes").is_not_null())
    no_port = [~pl.col(name).is_between(0, LAST_PORT) for name in PORTS]
    suspect = pl.any_horizontal("doubt", *missing, *negative, *no_port, overflows, ~pl.col("duration").is_finite())
    return parsed.select(*RAW_SCHEMA, suspect.fill_null(value=False).alias("suspect"))


def recognises(log: StagedLog) -> bool:
    """Return whether a header line is among the first lines."""
    return any(line.removeprefix("\ufeff").startswith(("#separator", "#fields")) for line in log.first_lines[:20])


READER = Reader("zeek", recognises, each(scan), each(fast_scan), prefixed=True)
