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
from cybersec_assets.flows.labels import verdict
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers.base import Field, Reader, assemble, require_columns
from cybersec_assets.flows.times import from_epoch

NEEDED = {"ts", "id.orig_h", "id.resp_h", "proto", "duration", "orig_bytes", "resp_bytes"}
ADDRESS = r"^[0-9A-Fa-f:.]+(%\w+)?$"


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
        raise UnreadableLogError(f"{log.path}: #separator {declared!r} is not one character", "Set one in Zeek")
    # The first header is the one that counts, so it is the last to be taken in.
    said = dict(line[1:].split(separator, 1) for line in reversed(lines) if separator in line)
    if "fields" not in said:
        raise UnreadableLogError(f"{log.path} has no #fields line", "Keep Zeek's header lines in the log")
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
    require_columns(log, set(header.fields), NEEDED)
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
        include_file_paths="file",
        glob=False,
    ).with_columns(pl.col("line").cast(pl.UInt32) + 1, astray=_astray(header, columns))
    comment = pl.col("c0").str.starts_with("#").fill_null(value=False)
    other_header = pl.col("astray") & pl.col("c0").eq_missing("#fields")
    uneven = pl.col(columns[-2]).is_null() | pl.col(columns[-1]).is_not_null()
    misfit = pl.when("astray").then(pl.lit("header")).when(uneven).then(pl.lit("number of fields"))
    return assemble(rows.filter(~comment | other_header), _fields(header), misfit=misfit)


def _astray(header: Header, columns: list[str]) -> pl.Expr:
    """Tell the lines that a header other than the file's first governs: their fields mean something else."""
    differs = [pl.col(c).ne_missing(name) for c, name in zip(columns[1:], header.fields, strict=True)]
    begins = pl.when(pl.col("c0") == "#fields").then(pl.any_horizontal(differs))
    return begins.forward_fill().fill_null(value=False)


def _fields(header: Header) -> dict[str, Field]:
    def text(name: str) -> pl.Expr:
        column = pl.col(f"c{header.fields.index(name)}")
        return pl.when(column != header.unset, column != header.empty).then(column)

    def of(name: str, dtype: type[pl.DataType]) -> Field:
        return Field(text(name), text(name).cast(dtype, strict=False))

    def address(name: str) -> Field:
        return Field(text(name), pl.when(text(name).str.contains(ADDRESS)).then(text(name)))

    def words(name: str) -> Field:
        return Field(text(name), text(name))

    sent, received = of("orig_bytes", pl.Int64), of("resp_bytes", pl.Int64)
    fields = {
        "timestamp": Field(text("ts"), from_epoch(text("ts"))),
        "src_ip": address("id.orig_h"),
        "dst_ip": address("id.resp_h"),
        "bytes": _volume(sent, received),
        "duration": of("duration", pl.Float64),
        "protocol": Field(text("proto"), text("proto").str.to_lowercase()),
        "orig_bytes": sent,
        "resp_bytes": received,
    }
    optional = {
        "uid": ("uid", words),
        "src_port": ("id.orig_p", lambda name: of(name, pl.Int32)),
        "dst_port": ("id.resp_p", lambda name: of(name, pl.Int32)),
        "service": ("service", words),
        "conn_state": ("conn_state", words),
        "orig_packets": ("orig_pkts", lambda name: of(name, pl.Int64)),
        "resp_packets": ("resp_pkts", lambda name: of(name, pl.Int64)),
        # A label that gives no verdict is no fault, so its own value stands for its text.
        "label": ("label", lambda name: Field(verdict(text(name)).cast(pl.String), verdict(text(name)))),
    }
    return fields | {raw: make(name) for raw, (name, make) in optional.items() if name in header.fields}


def _volume(sent: Field, received: Field) -> Field:
    """Add both directions; a flow that says only one's volume has moved at least that much."""
    known = sent.value.is_not_null() | received.value.is_not_null()
    total = pl.sum_horizontal(sent.value, received.value)
    wraps = (sent.value >= 0) & (received.value >= 0) & (total < 0)
    text = pl.when(wraps).then(pl.concat_str(sent.text, received.text, separator="+"))
    return Field(text, pl.when(wraps).then(None).when(known).then(total))


def recognises(log: LogFile) -> bool:
    """Tell a Zeek log by its header lines."""
    return any(line.startswith(("#separator", "#fields")) for line in log.first_lines[:20])


READER = Reader("zeek", recognises, scan)
