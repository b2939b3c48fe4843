"""The phases of a day, one row for each, in the order of the graph.

A phase is one execution of an asset for one day. It stores one object and writes one row to its audit table.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PhaseSpec:
    """What identifies a phase to Dagster, to the object store and to the audit.

    Attributes:
        asset: The asset's key, `layer/name`.
        bucket: The bucket of its objects, after the prefix.
        stem: What its objects' names begin with.
        suffix: What its objects' names end with.
        table: Its audit table.
    """

    asset: str
    bucket: str
    stem: str
    suffix: str
    table: str

    @property
    def op(self) -> str:
        """The name that Dagster gives to the asset's op and step."""
        return self.asset.replace("/", "__")


RAW = PhaseSpec("raw/network_events", "raw", "network_events", ".parquet", "ingestion_events")
SILVER = PhaseSpec("silver/network_events", "silver", "network_events_silver", ".parquet", "transformation_events")
MODEL = PhaseSpec("gold/isolation_forest", "models", "model_isoforest", ".pkl", "training_events")
EVALUATION = PhaseSpec("gold/evaluation", "eval", "eval", ".parquet", "evaluation_events")

ALL = (RAW, SILVER, MODEL, EVALUATION)
