"""The whole graph on real servers, and what MinIO and PostgreSQL hold afterwards."""

import hashlib
import re

import pytest

from cybersec_assets.audit.heads.head import head_name
from cybersec_assets_tests.support.servers.workbench import BUCKETS, failures, s3_client

MODEL = "gold/isolation_forest"
NAMES = (
    r"raw/network_events_\d{8}_\d{6}\.parquet",
    r"silver/network_events_silver_\d{8}_\d{6}\.parquet",
    r"models/model_isoforest_\d{8}_\d{6}\.pkl",
    r"eval/eval_\d{8}_\d{6}\.parquet",
)


def test_a_day_becomes_the_four_objects_of_the_contract(bench):
    """On empty servers the database and buckets are created, with one object in each and four heads."""
    assert bench.database not in bench.databases()
    assert bench.run().success
    assert bench.database in bench.databases()
    stored = sorted(bench.objects(), key=lambda uri: BUCKETS.index(uri.split("/")[2].rpartition("-")[2]))
    assert len(stored) == len(NAMES)
    for uri, name in zip(stored, NAMES, strict=True):
        assert re.fullmatch(f"s3://{bench.prefix}-{name}", uri)
    assert list(bench.heads()) == [f"s3://{bench.prefix}-eval/{head_name(number)}" for number in range(1, 5)]
    assert bench.leftovers() == []


def test_the_audit_matches_every_object(bench):
    """The size and SHA-256 of each SUCCESS row match the bytes that another client downloads."""
    rows = bench.rows(bench.run().run_id)
    stored = bench.objects()
    assert [row["estado"] for row in rows] == ["SUCCESS"] * 4
    assert {row["uri"] for row in rows} == set(stored)
    for row in rows:
        content = stored[row["uri"]]
        assert (row["size_bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_second_run_leaves_the_first_objects_unchanged(bench):
    """The second run adds four objects."""
    bench.run()
    first = bench.objects()
    assert bench.run().success
    both = bench.objects()
    assert len(both) == 8
    assert {uri: both[uri] for uri in first} == first


def test_a_later_run_fetches_what_an_earlier_one_wrote(bench):
    """A run of the model alone trains on the earlier run's silver, which it can get only from MinIO."""
    first = bench.rows(bench.run().run_id)
    rows = bench.rows(bench.run(MODEL).run_id)
    assert [(row["asset"], row["estado"]) for row in rows] == [(MODEL, "SUCCESS")]
    assert [entry["uri"] for entry in rows[0]["inputs"]] == [first[1]["uri"]]
    assert rows[0]["sha256"] == first[2]["sha256"]


@pytest.mark.parametrize("same_size", [False, True], ids=["other size", "same size"])
def test_an_object_that_was_tampered_with_is_not_used(bench, same_size):
    """The phase fails, names the overwritten input, and stores nothing."""
    silver = bench.rows(bench.run().run_id)[1]["uri"]
    before = bench.objects()
    forged = bytes(len(before[silver])) if same_size else b"forged"
    bucket, name = silver.removeprefix("s3://").split("/")
    s3_client(bench.minio).put_object(Bucket=bucket, Key=name, Body=forged)
    result = bench.run(MODEL)
    (message,) = failures(result)
    assert silver in message
    assert hashlib.sha256(forged).hexdigest() in message
    assert [(row["estado"], row["error"]) for row in bench.rows(result.run_id)] == [("FAILED", message)]
    assert set(bench.objects()) == set(before)
    assert bench.leftovers() == []


def test_a_missing_object_is_named(bench):
    """The phase fails with one line that names the deleted input."""
    silver = bench.rows(bench.run().run_id)[1]["uri"]
    bucket, name = silver.removeprefix("s3://").split("/")
    s3_client(bench.minio).delete_object(Bucket=bucket, Key=name)
    (message,) = failures(bench.run(MODEL))
    assert message.startswith(f"{silver} is missing from {bench.minio.url}")
