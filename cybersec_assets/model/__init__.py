"""The detector: training, scoring, evaluation and serialization. Nothing here depends on Dagster, S3 or SQL."""
