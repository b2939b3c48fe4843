"""Those who read a partition after a kill: the project's own reader, and one that no reader may be like."""

import io
from typing import Any, NamedTuple

import dagster as dg
import polars as pl

from cybersec_assets import phases
from cybersec_assets.defs.assets.raw import RAW_KEY
from cybersec_assets.defs.assets.silver import SILVER_KEY
from cybersec_assets_tests.support.crash.evidence import Detective, Evidence, Wrong
from cybersec_assets_tests.support.crash.worker import input_of

READ_BY = {phases.RAW.asset: (RAW_KEY, phases.SILVER.asset), phases.SILVER.asset: (SILVER_KEY, phases.MODEL.asset)}
"""The tables that others read, and who reads them."""


class Got(NamedTuple):
    """What a reader says it read, and what it has."""

    uri: str
    table: pl.DataFrame


def read_what_is_audited(parts: Any, asset: str, day: str) -> Got | None:
    """Read a partition as the next asset of another run does; nothing, where the project refuses."""
    key, reader = READ_BY[asset]
    try:
        with input_of(key, day, reader) as context:
            table = parts.parquet_io_manager.load_input(context).collect()
    except dg.Failure:
        return None
    with parts.audit.phase(reader, day) as phase:
        return Got(str(phase.inputs[0]["uri"]), table)


def read_the_newest(detective: Detective, asset: str) -> Got:
    """Read the object of the latest name, whatever the audit says."""
    layer = asset.partition("/")[0]
    newest = max(uri for uri in detective.gather().objects if f"-{layer}/" in uri)
    return Got(newest, _table(detective, newest))


def reader_faults(
    detective: Detective, before: Evidence, after: Evidence, asset: str, day: str, got: Got | None
) -> list[tuple[Wrong, Any]]:
    """Say whether a reader got something else than it should.

    Args:
        detective: Who has the objects.
        before: What there was before the reader read.
        after: And after: what a killed worker had sent may have been committed meanwhile.
        asset: What was read.
        day: Of which day.
        got: What the reader got.
    """
    then, now = (
        [row for row in evidence.successes() if (row.asset, row.day) == (asset, day)] for evidence in (before, after)
    )
    since = then[-1].seq if then else 0
    if got is None:
        return [(Wrong.READER, (asset, day, "nothing"))] if then else []
    if got.uri not in {row.uri for row in now if row.seq >= since}:
        return [(Wrong.READER, (asset, day, got.uri))]
    is_whole = got.table.equals(_table(detective, got.uri))
    return [] if is_whole else [(Wrong.READER, (asset, day, "another table than that of", got.uri))]


def _table(detective: Detective, uri: str) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(detective.read(uri)))
