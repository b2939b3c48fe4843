"""A siege on a database and buckets of a test's own, and a table of all that was killed."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cybersec_assets.operations.run_day import use_instance
from cybersec_assets_tests.integration.stack.conftest import bench, binary, minio, pg, stack_folder
from cybersec_assets_tests.support.crash.evidence import Wrong
from cybersec_assets_tests.support.crash.kill_rounds import Siege
from cybersec_assets_tests.support.crash.orders import FIRST_OWN_DAY
from cybersec_assets_tests.support.servers.workbench import BUCKETS, Workbench, s3_client

__all__ = ["bench", "binary", "minio", "pg", "siege", "stack_folder"]
SIEGES = pytest.StashKey[list[Siege]]()


@pytest.fixture
def siege(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Siege]:
    """Workers' servers, and the one who kills them."""
    # Set here and then by the project, so that it is unset again after the test.
    monkeypatch.setenv("DAGSTER_HOME", "")
    use_instance(Path(os.environ["CYBERSEC_HOME"]))
    monkeypatch.setenv("CYBERSEC_START_DATE", FIRST_OWN_DAY.isoformat())
    made = Siege(bench, tmp_path)
    request.config.stash.setdefault(SIEGES, []).append(made)
    yield made
    # Hundreds of killed workers would fill a small disk.
    _empty_buckets(bench)


def _empty_buckets(bench: Workbench) -> None:
    s3 = s3_client(bench.minio)
    there = {one["Name"] for one in s3.list_buckets()["Buckets"]}
    for bucket in there & {f"{bench.prefix}-{name}" for name in BUCKETS}:
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            if names := [{"Key": found["Key"]} for found in page.get("Contents", [])]:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": names})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many workers were killed where and how, and what was wrong afterwards."""
    kills, found, left = Counter[str](), Counter[Wrong](), Counter[str]()
    for siege in config.stash.get(SIEGES, []):
        ordered = (death.order for death in siege.deaths if death.order.signal)
        kills.update(f"{told.way}, {told.point or 'a random time'}, {told.signal.name}" for told in ordered)
        found += siege.found
        left += siege.left
    if not kills:
        return
    terminalreporter.section("kills")
    for what, times in sorted(kills.items()):
        terminalreporter.line(f"{times:>5}  {what}")
    terminalreporter.line(f"{kills.total():>5}  in all")
    for wrong in Wrong:
        terminalreporter.line(f"{found[wrong]:>5}  times: {wrong}")
    for what, times in sorted(left.items()):
        terminalreporter.line(f"{times:>5}  {what} in the end")
