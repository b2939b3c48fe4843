"""Which environment variables say where an S3 server is and who asks it: what a remedy names."""

from dataclasses import dataclass

RIGHTS = "Grant the key s3:PutObject, s3:GetObject, s3:ListBucket and s3:CreateBucket on the four buckets"


@dataclass(frozen=True)
class S3Variables:
    """What a person looks at when an S3 server refuses.

    Attributes:
        endpoint: The variable that says where the server is.
        keys: The variables that hold the keys, in words.
        rights: How the key is given the rights that it needs, as an imperative.
    """

    endpoint: str
    keys: str
    rights: str


MINIO = S3Variables("MINIO_ENDPOINT", "MINIO_ACCESS_KEY and MINIO_SECRET_KEY", RIGHTS)
"""Those of the store of the artifacts."""
