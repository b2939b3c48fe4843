"""The process that is killed: it runs the real write path on real servers, and reports every point it passes."""

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
from cybersec_assets_tests.support.crash.orders import FIRST_OWN_DAY, Order, Scenario

STARTED = "started"
INTERRUPTED = 130
"""The exit status of a worker that handled SIGTERM, which is also that of the command."""
PART = 5 * 1024**2
"""The smallest part that S3 accepts. With small parts a kill can happen between two of them."""
PUT_LIMIT = PART // 20
RAW_ROWS = 700_000
"""The file is a little larger than a part, so that it is uploaded in two."""
SILVER_ROWS = 1_000
"""The file is uploaded in one request."""


class SmallPartsStore(s3.S3Store):
    """An S3 store that uploads files above a quarter of a megabyte in resources."""

    def __init__(self, client):
        super().__init__(client, put_limit=PUT_LIMIT, part_bytes=PART)


class KillHandler(logging.Handler):
    """Report each point, and send the ordered signal at the ordered one."""

    def __init__(self, order: Order, connection: Connection) -> None:
        super().__init__()
        self._order = order
        self._connection = connection
        self._passes = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Report the point before the signal: what was reported must be stored afterwards."""
        point = Point(record.getMessage())
        self._connection.send_bytes(point.encode())
        self._passes += point == self._order.point
        if point == self._order.point and self._passes == self._order.pass_number:
            os.kill(os.getpid(), self._order.signal)


def run_worker(order: Order, environment: dict[str, str], log: Path, connection: Connection) -> None:
    """Carry out an order in a newly forked process."""
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    _set_clock(order.number // 2)
    s3.S3Store = SmallPartsStore
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.addHandler(KillHandler(order, connection))
    connection.send_bytes(STARTED.encode())
    try:
        for _ in range(order.repeats):
            SCENARIOS[order.scenario](order)
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        sys.exit(INTERRUPTED)


def _set_clock(pair: int) -> None:
    """Set back the clock that objects are named by, so that only two workers share an hour and names do not run out."""
    base.utc_now = lambda: dt.datetime.now(dt.UTC) - dt.timedelta(hours=pair)


def _use_io_managers(order: Order) -> None:
    """Store raw, then read it with new resources, as another process would, and store silver."""
    run = dg.DagsterRun(job_name="daily_training", run_id=order.run_id)
    with dg.DagsterInstance.ephemeral() as instance:
        for store in (_store_raw, _store_silver):
            with dg.build_resources(build_resources(load_settings()), instance, dagster_run=run) as resources:
                # Dagster replaces the handler of SIGTERM when it creates resources and when it closes them.
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                store(resources, order.day)


def _store_raw(resources, day: str) -> None:
    noise = np.random.default_rng().integers(0, 2**63, RAW_ROWS)
    with resources.audit.phase(phases.RAW.asset, day) as phase:
        phase.facts["records"] = RAW_ROWS
    with dg.build_output_context(asset_key=RAW_KEY, partition_key=day) as context:
        resources.parquet_io_manager.handle_output(context, pl.LazyFrame({"noise": noise}))


def _store_silver(resources, day: str) -> None:
    with input_of(RAW_KEY, day, phases.SILVER.asset) as context:
        raw = resources.parquet_io_manager.load_input(context)
    with resources.audit.phase(phases.SILVER.asset, day) as phase:
        phase.facts["records"] = SILVER_ROWS
    with dg.build_output_context(asset_key=SILVER_KEY, partition_key=day) as context:
        resources.parquet_io_manager.handle_output(context, raw.head(SILVER_ROWS))


def _run_command(order: Order) -> None:
    """Run `cybersec run` in this process."""
    sys.argv = ["cybersec", "run", "--json", "--date", order.day]
    try:
        cli.main()
    except SystemExit as ended:
        if ended.code:
            raise


def _connect(_order: Order) -> None:
    """Connect, which creates the database and the schema if they are missing."""
    with audit_from(load_settings()).session() as audit:
        audit.connect()


def _write_success_first(order: Order) -> None:
    """Write SUCCESS before the upload, as no writer may."""
    run = dg.DagsterRun(job_name="daily_training", run_id=order.run_id)
    kind = io_managers.KINDS[phases.RAW.asset]
    with dg.build_resources(build_resources(load_settings()), dagster_run=run) as resources:
        file = resources.scratch.new_file("raw.parquet")
        pl.DataFrame({"noise": [1]}).write_parquet(file)
        bucket = f"{resources.store.bucket_prefix}-{kind.bucket}"
        name = kind.name(base.utc_now())
        with resources.audit.phase(phases.RAW.asset, order.day) as phase:
            phase.facts["records"] = 1
            resources.audit.succeed(phase, Artifact(f"s3://{bucket}/{name}", fingerprint_of(file)))
            resources.store.open().create(bucket, name, file, fingerprint_of(file))


def input_of(key: dg.AssetKey, day: str, reader: str) -> dg.InputContext:
    """Return the input context of an asset that another asset loads."""
    return dg.build_input_context(
        asset_key=key,
        asset_partition_key_range=dg.PartitionKeyRange(day, day),
        asset_partitions_def=daily_partitions(FIRST_OWN_DAY),
        op_def=dg.OpDefinition(lambda: None, name=reader.replace("/", "__")),
    )


SCENARIOS = {
    Scenario.IO_MANAGERS: _use_io_managers,
    Scenario.COMMAND: _run_command,
    Scenario.SCHEMA: _connect,
    Scenario.SUCCESS_FIRST: _write_success_first,
}
