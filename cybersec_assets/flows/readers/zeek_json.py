"""Zeek's `conn.log` as JSON, an object a line, plain or gzip; other streams may stand among it.

The names: https://docs.zeek.org/en/master/logs/conn.html. Shippers write `id_orig_h` for `id.orig_h`, and name the
stream in `_path` or `@stream`; where neither is there, a record is a connection if it has what only those have.
"""

import polars as pl

from cybersec_assets.flows.json_lines import first_objects, scan_objects
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.readers.base import Reader, assemble, each
from cybersec_assets.flows.times import parse_time
from cybersec_assets.flows.zeek_conn import NEEDED, conn_fields

FIELDS = sorted(NEEDED | {"uid", "id.orig_p", "id.resp_p", "service", "conn_state", "orig_pkts", "resp_pkts", "label"})
STREAM = ("_path", "@stream")
MARKS = ("conn_state", "history", "missed_bytes", "orig_pkts")
"""What no stream but conn has."""


def _spellings(name: str) -> tuple[str, ...]:
    return (name, name.replace(".", "_")) if "." in name else (name,)


WANTED = pl.Struct(
    dict.fromkeys(
        [*(spelt for name in FIELDS for spelt in _spellings(name)), *STREAM, "history", "missed_bytes"], pl.String()
    )
)


def scan(log: LogFile) -> pl.LazyFrame:
    """Read a connection log lazily.

    Returns:
        The columns of RAW and ORIGIN, a record for each connection and for each line that is no JSON object.
    """
    of = pl.col("object").struct.field
    stream = pl.coalesce(of(name) for name in STREAM)
    marked = pl.any_horizontal(of(name).is_not_null() for name in MARKS)
    is_conn = pl.when(stream.is_null()).then(marked).otherwise(stream == "conn")
    is_none = pl.col("object").is_null()
    texts = {name: pl.coalesce(of(spelt) for spelt in _spellings(name)) for name in FIELDS}
    misfit = pl.when(is_none).then(pl.lit("JSON object"))
    return assemble(scan_objects(log, WANTED).filter(is_none | is_conn), conn_fields(texts, parse_time), misfit=misfit)


def recognises(log: LogFile) -> bool:
    """Tell by a connection among the first objects."""
    return any(map(_is_conn, first_objects(log)))


def _is_conn(record: dict[str, object]) -> bool:
    streams = [record[name] for name in STREAM if name in record]
    return "ts" in record and (streams[0] == "conn" if streams else any(name in record for name in MARKS))


READER = Reader("zeek_json", recognises, each(scan))
