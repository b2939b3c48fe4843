"""The same graph against a real MinIO and a real PostgreSQL."""
