"""How the detector is made, as a Dagster resource."""

import dagster as dg
from pydantic import Field


class DetectorResource(dg.ConfigurableResource["DetectorResource"]):
    """What a person may choose of the model."""

    feature_set: str = Field("basic", description="A set of `features.py`: basic or extended.")
