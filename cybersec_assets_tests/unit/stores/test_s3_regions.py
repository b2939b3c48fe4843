"""A bucket is created in the client's region, which S3 requires to be named in every region but its first."""

import boto3
import pytest
from botocore.stub import ANY, Stubber

from cybersec_assets.artifact import fingerprint_of
from cybersec_assets.stores.s3 import S3Store

PUT = {"Bucket": "b", "Key": "k", "Body": ANY, "ChecksumSHA256": ANY, "IfNoneMatch": "*"}


@pytest.mark.parametrize(
    ("region", "arguments"),
    [("us-east-1", {}), ("eu-west-1", {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}})],
)
def test_a_missing_bucket_is_created_in_its_region(tmp_path, region, arguments):
    """The upload that failed without the bucket is sent again afterwards."""
    file = tmp_path / "object"
    file.write_bytes(b"flows")
    client = boto3.client("s3", region_name=region, aws_access_key_id="k", aws_secret_access_key="s")
    with Stubber(client) as stub:
        stub.add_client_error("put_object", "NoSuchBucket", expected_params=PUT)
        stub.add_response("create_bucket", {}, {"Bucket": "b", **arguments})
        stub.add_response("put_object", {}, PUT)
        assert S3Store(client).create("b", "k", file, fingerprint_of(file))
        stub.assert_no_pending_responses()
