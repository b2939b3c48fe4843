"""The detector: training, scoring, keeping and judging it. Knows nothing of Dagster, S3 or SQL."""
