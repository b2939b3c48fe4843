"""Readers of a partition after a kill: the project's own, and a wrong one as a negative control."""

import io
from typing import Any, NamedTuple

import dagster as dg
import polars as pl

from cybersec_assets import phases
from cybersec_assets.defs.assets.raw import RAW_KEY
from cybersec_assets.defs.assets.silver import SILVER_KEY
from cybersec_assets_tests.support.crash.stored_state import Fault, StateReader, StoredState
from cybersec_assets_tests.support.crash.worker import input_of

READERS = {phases.RAW.asset: (RAW_KEY, phases.SILVER.asset), phases.SILVER.asset: (SILVER_KEY, phases.MODEL.asset)}
"""The assets that other assets read: the asset key, and the asset that reads it."""


class ReadResult(NamedTuple):
    """The URI that a reader reports, and the table that it got."""

    uri: str
    table: pl.DataFrame


def read_audited(resources: Any, asset: str, day: str) -> ReadResult | None:
    """Read a partition as the next asset of another run does. Return None if the project refuses."""
    key, reader = READERS[asset]
    try:
        with input_of(key, day, reader) as context:
            table = resources.parquet_io_manager.load_input(context).collect()
    except dg.Failure:
        return None
    with resources.audit.phase(reader, day) as phase:
        return ReadResult(str(phase.inputs[0]["uri"]), table)


def read_newest(reader: StateReader, asset: str) -> ReadResult:
    """Read the object with the latest name, without asking the audit."""
    layer = asset.partition("/")[0]
    newest = max(uri for uri in reader.read_state().objects if f"-{layer}/" in uri)
    return ReadResult(newest, _table(reader, newest))


def reader_faults(
    reader: StateReader, before: StoredState, after: StoredState, asset: str, day: str, got: ReadResult | None
) -> list[tuple[Fault, Any]]:
    """Return a fault if a reader got something other than the last audited object.

    Args:
        reader: Reads the objects.
        before: The state before the read.
        after: The state after it. A SUCCESS that a killed worker had sent may have been committed in between.
        asset: The asset that was read.
        day: Its partition.
        got: What the reader got.
    """
    earlier, later = (
        [row for row in state.successes() if (row.asset, row.day) == (asset, day)] for state in (before, after)
    )
    since = earlier[-1].seq if earlier else 0
    if got is None:
        return [(Fault.READER, (asset, day, "nothing"))] if earlier else []
    if got.uri not in {row.uri for row in later if row.seq >= since}:
        return [(Fault.READER, (asset, day, got.uri))]
    if not got.table.equals(_table(reader, got.uri)):
        return [(Fault.READER, (asset, day, "another table than that of", got.uri))]
    return []


def _table(reader: StateReader, uri: str) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(reader.download(uri)))
