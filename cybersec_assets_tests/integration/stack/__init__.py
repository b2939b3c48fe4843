"""Tests against a real MinIO and a real PostgreSQL."""
