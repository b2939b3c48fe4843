"""Rounds of kills on a database and buckets of the test's own, and a summary of everything that was killed."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cybersec_assets.operations.run_day import use_instance
from cybersec_assets_tests.integration.stack.conftest import bench, binary, minio, pg, stack_folder
from cybersec_assets_tests.support.crash.kill_rounds import KillRounds
from cybersec_assets_tests.support.crash.orders import FIRST_OWN_DAY
from cybersec_assets_tests.support.crash.stored_state import Fault
from cybersec_assets_tests.support.servers.workbench import BUCKETS, Workbench, s3_client

__all__ = ["bench", "binary", "minio", "pg", "rounds", "stack_folder"]
ROUNDS = pytest.StashKey[list[KillRounds]]()


@pytest.fixture
def rounds(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[KillRounds]:
    """Return the kill rounds of a test, on its own database and buckets."""
    # `use_instance` sets DAGSTER_HOME. Setting it here first makes monkeypatch remove it after the test.
    monkeypatch.setenv("DAGSTER_HOME", "")
    use_instance(Path(os.environ["CYBERSEC_HOME"]))
    monkeypatch.setenv("CYBERSEC_START_DATE", FIRST_OWN_DAY.isoformat())
    made = KillRounds(bench, tmp_path)
    request.config.stash.setdefault(ROUNDS, []).append(made)
    yield made
    # The objects of hundreds of killed workers would fill a small disk.
    _empty_buckets(bench)


def _empty_buckets(bench: Workbench) -> None:
    s3 = s3_client(bench.minio)
    existing = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in existing & {f"{bench.prefix}-{name}" for name in BUCKETS}:
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            names = [{"Key": found["Key"]} for found in page.get("Contents", [])]
            if names:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": names})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report how many workers were killed at each point, and which faults were found."""
    kills = Counter[str]()
    found = Counter[Fault]()
    left = Counter[str]()
    for rounds in config.stash.get(ROUNDS, []):
        orders = (result.order for result in rounds.results if result.order.signal)
        kills.update(f"{order.scenario}, {order.point or 'a random time'}, {order.signal.name}" for order in orders)
        found += rounds.found
        left += rounds.left
    if not kills:
        return
    terminalreporter.section("kills")
    for what, times in sorted(kills.items()):
        terminalreporter.line(f"{times:>5}  {what}")
    terminalreporter.line(f"{kills.total():>5}  in total")
    for fault in Fault:
        terminalreporter.line(f"{found[fault]:>5}  times: {fault}")
    for what, times in sorted(left.items()):
        terminalreporter.line(f"{times:>5}  {what} at the end")
