"""Daily flow logs in; an audited anomaly detector and its verdicts out.

The package's rooms, in the order in which data flows: `flows`, `features`, `model` know nothing of Dagster,
S3 or SQL; `audit` knows only SQL; `stores` knows only objects; `resources` and `io_managers` join them to the
outside; `assets` name the steps; `definitions` wires.
"""

__version__ = "0.1.0"
