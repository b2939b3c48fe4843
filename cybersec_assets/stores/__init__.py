"""Immutable objects in buckets, on an S3 server or in folders. Knows nothing of Dagster or SQL."""
