"""Flow logs as they come, and the one schema they are read into. Knows nothing of Dagster, S3 or SQL."""
