"""The outside world as Dagster resources: their settings and their lives, and no logic of the domain."""
