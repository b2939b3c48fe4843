"""What runs in the process that is killed: the real write path on the real servers, and a word at every point."""

import datetime as dt
import logging
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from cybersec_assets import phases
from cybersec_assets.artifact import Artifact, fingerprint_of
from cybersec_assets.cli import app as cli
from cybersec_assets.definitions import audit_from, build_resources
from cybersec_assets.defs import io_managers
from cybersec_assets.defs.assets.raw import RAW_KEY
from cybersec_assets.defs.assets.silver import SILVER_KEY
from cybersec_assets.defs.partitions import daily_partitions
from cybersec_assets.failpoints import LOGGER, Point
from cybersec_assets.settings import load_settings
from cybersec_assets.stores import base, s3
from cybersec_assets_tests.support.crash.orders import FIRST_OWN_DAY, Order, Way

BEGUN = "begun"
INTERRUPTED = 130
"""The exit status of a worker that Dagster told of SIGTERM, as the command's."""
PART = 5 * 1024**2
"""S3's smallest part; what is larger goes up in parts, so that a kill may fall between two."""
PUT_LIMIT = PART // 20
RAW_ROWS, SILVER_ROWS = 700_000, 1_000
"""The first makes a file of a part and a bit, the second one that goes up in one piece."""


class SmallPartsStore(s3.S3Store):
    """An S3 store that uploads in parts what is larger than a quarter of a megabyte."""

    def __init__(self, client):
        """Keep a client with limits of its own."""
        super().__init__(client, put_limit=PUT_LIMIT, part_bytes=PART)


class Striker(logging.Handler):
    """Tell each point that is passed, and die at the one that was ordered."""

    def __init__(self, order: Order, witness: Connection) -> None:
        """Begin before the first point."""
        super().__init__()
        self._order, self._witness, self._passes = order, witness, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Speak before dying: what was said is what must be there afterwards."""
        point = Point(record.getMessage())
        self._witness.send_bytes(point.encode())
        self._passes += point == self._order.point
        if point == self._order.point and self._passes == self._order.pass_number:
            os.kill(os.getpid(), self._order.signal)


def obey(order: Order, environment: dict[str, str], log: Path, witness: Connection) -> None:
    """Do what was ordered, in a process that was just forked."""
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    _set_clock(order.number // 2)
    s3.S3Store = SmallPartsStore
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.addHandler(Striker(order, witness))
    witness.send_bytes(BEGUN.encode())
    try:
        for _ in range(order.rounds):
            WAYS[order.way](order)
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        sys.exit(INTERRUPTED)


def _set_clock(pair: int) -> None:
    """Name objects as of an hour that only two workers share: real days do not end by the hundred in a minute."""
    base.utc_now = lambda: dt.datetime.now(dt.UTC) - dt.timedelta(hours=pair)


def _drive(order: Order) -> None:
    """Store raw, then have another process's worth of resources read it and store silver."""
    run = dg.DagsterRun(job_name="daily_training", run_id=order.run_id)
    with dg.DagsterInstance.ephemeral() as instance:
        for store in (_store_raw, _store_silver):
            with dg.build_resources(build_resources(load_settings()), instance, dagster_run=run) as parts:
                # Dagster has put its own handler in place while it made the resources, and does so as it ends them.
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                store(parts, order.day)


def _store_raw(parts, day: str) -> None:
    noise = np.random.default_rng().integers(0, 2**63, RAW_ROWS)
    with parts.audit.phase(phases.RAW.asset, day) as phase:
        phase.facts["records"] = RAW_ROWS
    with dg.build_output_context(asset_key=RAW_KEY, partition_key=day) as context:
        parts.parquet_io_manager.handle_output(context, pl.LazyFrame({"noise": noise}))


def _store_silver(parts, day: str) -> None:
    with input_of(RAW_KEY, day, phases.SILVER.asset) as context:
        raw = parts.parquet_io_manager.load_input(context)
    with parts.audit.phase(phases.SILVER.asset, day) as phase:
        phase.facts["records"] = SILVER_ROWS
    with dg.build_output_context(asset_key=SILVER_KEY, partition_key=day) as context:
        parts.parquet_io_manager.handle_output(context, raw.head(SILVER_ROWS))


def _run_whole(order: Order) -> None:
    """Do what the shell's command does, in this process."""
    sys.argv = ["cybersec", "run", "--json", "--date", order.day]
    try:
        cli.main()
    except SystemExit as ended:
        if ended.code:
            raise


def _connect(_order: Order) -> None:
    """Have database and schema made where they are missing."""
    with audit_from(load_settings()).session() as audit:
        audit.connect()


def _write_hastily(order: Order) -> None:
    """Write SUCCESS for an object that is still to be uploaded, as no writer may."""
    run, kind = dg.DagsterRun(job_name="daily_training", run_id=order.run_id), io_managers.KINDS[phases.RAW.asset]
    with dg.build_resources(build_resources(load_settings()), dagster_run=run) as parts:
        file = parts.scratch.new_file("raw.parquet")
        pl.DataFrame({"noise": [1]}).write_parquet(file)
        bucket, name = f"{parts.store.bucket_prefix}-{kind.bucket}", kind.name(base.utc_now())
        with parts.audit.phase(phases.RAW.asset, order.day) as phase:
            phase.facts["records"] = 1
            parts.audit.succeed(phase, Artifact(f"s3://{bucket}/{name}", fingerprint_of(file)))
            parts.store.open().create(bucket, name, file, fingerprint_of(file))


def input_of(key: dg.AssetKey, day: str, reader: str) -> dg.InputContext:
    """Say that an asset is to be loaded by another."""
    return dg.build_input_context(
        asset_key=key,
        asset_partition_key_range=dg.PartitionKeyRange(day, day),
        asset_partitions_def=daily_partitions(FIRST_OWN_DAY),
        op_def=dg.OpDefinition(lambda: None, name=reader.replace("/", "__")),
    )


WAYS = {Way.DRIVEN: _drive, Way.WHOLE: _run_whole, Way.SCHEMA: _connect, Way.HASTY: _write_hastily}
