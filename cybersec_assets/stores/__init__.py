"""Immutable objects in buckets, on an S3 server or in folders. Uses neither Dagster nor SQL."""
