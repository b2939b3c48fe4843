"""How the detector is made, as a Dagster resource."""

import dagster as dg
from pydantic import Field

from cybersec_assets.defs.resources.launch import one_of
from cybersec_assets.features import FEATURE_SETS


class DetectorResource(dg.ConfigurableResource["DetectorResource"]):
    """What a person may choose of the model."""

    feature_set: str = Field("basic", description="A set of `features.py`: basic or extended.")


def detector(feature_set: str) -> dg.ResourceDefinition:
    """Return the resource with the field that a launch may set.

    Args:
        feature_set: The default, from the environment.
    """
    field = dg.Field(
        one_of("FeatureSet", tuple(FEATURE_SETS)),
        default_value=feature_set,
        description=DetectorResource.model_fields["feature_set"].description,
    )
    return dg.ResourceDefinition(
        lambda context: DetectorResource(**context.resource_config),
        config_schema={"feature_set": field},
        description=DetectorResource.__doc__,
    )
