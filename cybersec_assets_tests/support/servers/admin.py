"""MinIO's admin interface: users with few rights."""

import io
import json
import urllib.request
import zipfile
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cybersec_assets_tests.support.servers.servers import Minio


def allow(*actions: str, resource: str = "*") -> dict[str, Any]:
    """Return a policy that allows some S3 actions and nothing else."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": [f"arn:aws:s3:::{resource}"]}
    return {"Version": "2012-10-17", "Statement": [statement]}


def add_user(minio: Minio, access_key: str, secret_key: str, policy: dict[str, Any]) -> None:
    """Create a user. `import-iam` accepts plain data, which `add-user` does not."""
    assets = {
        "policies": {access_key: policy},
        "users": {access_key: {"secretKey": secret_key, "status": "enabled"}},
        "user_mappings": {access_key: {"version": 1, "policy": access_key}},
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in assets.items():
            file.writestr(f"iam-assets/{name}.json", json.dumps(content))
    request = AWSRequest("PUT", f"{minio.url}/minio/admin/v3/import-iam", data=archive.getvalue())
    S3SigV4Auth(Credentials(minio.access_key, minio.secret_key), "s3", "us-east-1").add_auth(request)
    signed = request.prepare()
    sent = urllib.request.Request(signed.url, signed.body, dict(signed.headers.items()), method="PUT")
    with urllib.request.urlopen(sent, timeout=30) as answer:
        assert answer.status == 200
