"""Zeek's `conn.log` as tab-separated text, plain or gzip, read by its own header.

The header lines and their meaning: https://docs.zeek.org/en/master/log-formats.html. Columns may stand in any
order and others may stand between them; lines that begin with `#` are no records. A header that comes again
further down (logs joined into one file) is passed over where it is the same; where it is another, it is a fault,
and so are the records under it.
"""

import codecs
from dataclasses import dataclass

import polars as pl

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers.base import Reader, assemble, each, require_columns
from cybersec_assets.flows.times import from_epoch
from cybersec_assets.flows.zeek_conn import NEEDED, conn_fields


@dataclass(frozen=True)
class Header:
    """What the lines that begin with `#` say.

    Attributes:
        fields: The columns' names, in order.
        separator: What stands between two fields.
        unset: What a field has that the sensor left unset.
        empty: What a field has that is empty.
    """

    fields: list[str]
    separator: str
    unset: str
    empty: str


def read_header(log: LogFile) -> Header:
    """Read the header lines at a log's beginning.

    Raises:
        UnreadableLogError: It has no usable `#separator` or no `#fields`.
    """
    lines = [line for line in log.first_lines if line.startswith("#")]
    declared = next((line.removeprefix("#separator ") for line in lines if line.startswith("#separator ")), r"\x09")
    separator = _unescape(declared.strip())
    if len(separator.encode()) != 1:
        raise UnreadableLogError(f"{log.name}: #separator {declared!r} is not one character", "Set one in Zeek")
    # The first header is the one that counts, so it is the last to be taken in.
    said = dict(line[1:].split(separator, 1) for line in reversed(lines) if separator in line)
    if "fields" not in said:
        raise UnreadableLogError(f"{log.name} has no #fields line", "Keep Zeek's header lines in the log")
    return Header(
        said["fields"].split(separator), separator, said.get("unset_field", "-"), said.get("empty_field", "(empty)")
    )


def _unescape(text: str) -> str:
    """Read an escaped character; the empty string where it is cut off."""
    try:
        return codecs.decode(text, "unicode_escape")
    except UnicodeDecodeError:
        return ""


def scan(log: LogFile) -> pl.LazyFrame:
    """Read a connection log lazily.

    Args:
        log: The file.

    Returns:
        The columns of RAW and ORIGIN, a record a line.

    Raises:
        UnreadableLogError: The header is missing, or lacks a column that flows need.
    """
    header = read_header(log)
    require_columns(log, header.fields, NEEDED)
    # One column more than the header names shows a line that is too long; a missing last field, one cut short.
    columns = [f"c{i}" for i in range(len(header.fields) + 1)]
    rows = pl.scan_csv(
        log.path,
        has_header=False,
        separator=header.separator,
        quote_char=None,
        schema=dict.fromkeys(columns, pl.String),
        missing_columns="insert",
        extra_columns="ignore",
        encoding="utf8-lossy",
        row_index_name="line",
        glob=False,
    ).with_columns(pl.lit(log.name).alias("file"), pl.col("line").cast(pl.UInt32) + 1, astray=_astray(header, columns))
    comment = pl.col("c0").str.starts_with("#").fill_null(value=False)
    other_header = pl.col("astray") & pl.col("c0").eq_missing("#fields")
    uneven = pl.col(columns[-2]).is_null() | pl.col(columns[-1]).is_not_null()
    misfit = pl.when("astray").then(pl.lit("header")).when(uneven).then(pl.lit("number of fields"))
    texts = {name: _text(header, name) for name in header.fields}
    return assemble(rows.filter(~comment | other_header), conn_fields(texts, from_epoch), misfit=misfit)


def _astray(header: Header, columns: list[str]) -> pl.Expr:
    """Tell the lines that a header other than the file's first governs: their fields mean something else."""
    differs = [pl.col(c).ne_missing(name) for c, name in zip(columns[1:], header.fields, strict=True)]
    begins = pl.when(pl.col("c0") == "#fields").then(pl.any_horizontal(differs))
    return begins.forward_fill().fill_null(value=False)


def _text(header: Header, name: str) -> pl.Expr:
    column = pl.col(f"c{header.fields.index(name)}")
    return pl.when(column != header.unset, column != header.empty).then(column)


def recognises(log: LogFile) -> bool:
    """Tell a Zeek log by its header lines."""
    return any(line.startswith(("#separator", "#fields")) for line in log.first_lines[:20])


READER = Reader("zeek", recognises, each(scan))
