"""The whole graph on real servers: what lies in MinIO and PostgreSQL afterwards."""

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
    """On an empty MinIO and PostgreSQL database and buckets are made, an object in each, and four heads beside them."""
    assert bench.database not in bench.databases()
    assert bench.run().success
    assert bench.database in bench.databases()
    stored = sorted(bench.objects(), key=lambda uri: BUCKETS.index(uri.split("/")[2].rpartition("-")[2]))
    assert len(stored) == len(NAMES)
    for uri, name in zip(stored, NAMES, strict=True):
        assert re.fullmatch(f"s3://{bench.prefix}-{name}", uri)
    assert list(bench.heads()) == [f"s3://{bench.prefix}-eval/{head_name(number)}" for number in range(1, 5)]
    assert bench.leftovers() == []


def test_the_audit_tells_the_truth_of_every_object(bench):
    """Each SUCCESS row's size and SHA-256 are those of the bytes that MinIO gives a client of another's."""
    rows = bench.rows(bench.run().run_id)
    stored = bench.objects()
    assert [row["estado"] for row in rows] == ["SUCCESS"] * 4
    assert {row["uri"] for row in rows} == set(stored)
    for row in rows:
        content = stored[row["uri"]]
        assert (row["size_bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_running_a_day_again_leaves_its_first_objects_as_they_are(bench):
    """A second run of a day adds four objects and changes no byte of the first run's."""
    bench.run()
    first = bench.objects()
    assert bench.run().success
    both = bench.objects()
    assert len(both) == 8
    assert {uri: both[uri] for uri in first} == first


def test_a_later_run_fetches_what_an_earlier_one_wrote(bench):
    """A run of the model alone trains on the earlier run's silver, which it can have from nowhere but MinIO."""
    first = bench.rows(bench.run().run_id)
    rows = bench.rows(bench.run(MODEL).run_id)
    assert [(row["asset"], row["estado"]) for row in rows] == [(MODEL, "SUCCESS")]
    assert [entry["uri"] for entry in rows[0]["inputs"]] == [first[1]["uri"]]
    assert rows[0]["sha256"] == first[2]["sha256"]


@pytest.mark.parametrize("same_size", [False, True], ids=["other size", "same size"])
def test_an_object_that_was_tampered_with_is_not_used(bench, same_size):
    """A phase whose input was overwritten in MinIO ends naming it, and stores nothing."""
    silver = bench.rows(bench.run().run_id)[1]["uri"]
    before = bench.objects()
    forged = bytes(len(before[silver])) if same_size else b"forged"
    bucket, name = silver.removeprefix("s3://").split("/")
    s3_client(bench.minio).put_object(Bucket=bucket, Key=name, Body=forged)
    result = bench.run(MODEL)
    (said,) = failures(result)
    assert silver in said
    assert hashlib.sha256(forged).hexdigest() in said
    assert [(row["estado"], row["error"]) for row in bench.rows(result.run_id)] == [("FAILED", said)]
    assert set(bench.objects()) == set(before)
    assert bench.leftovers() == []


def test_an_object_that_is_gone_is_named(bench):
    """A phase whose input was deleted in MinIO ends with one line that names it."""
    silver = bench.rows(bench.run().run_id)[1]["uri"]
    bucket, name = silver.removeprefix("s3://").split("/")
    s3_client(bench.minio).delete_object(Bucket=bucket, Key=name)
    (said,) = failures(bench.run(MODEL))
    assert said.startswith(f"{silver} is missing from {bench.minio.url}")
