"""Turn daily flow logs into a trained anomaly detector with an audit trail.

`sources`, `flows`, `features` and `model` use neither Dagster nor S3 nor SQL. `audit` and `postgres` use only SQL, and
`stores` only objects. `defs` and `definitions` connect them to Dagster. `operations` and `cli` are on top.
"""

__version__ = "0.1.0"
