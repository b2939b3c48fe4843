"""A small day and its model."""

import polars as pl
import pytest
from sklearn.pipeline import Pipeline

from cybersec_assets.features import add_features, feature_names, select_features
from cybersec_assets.flows.clean import clean
from cybersec_assets.flows.synthetic.flows import synthetic_flows
from cybersec_assets.model.train import train
from cybersec_assets_tests.support.flows.logs import DAY


@pytest.fixture(scope="session")
def silver() -> pl.DataFrame:
    """Return the silver flows of a small day."""
    return add_features(clean(synthetic_flows(DAY, 20_000), 0)).collect()


@pytest.fixture(scope="session")
def features(silver: pl.DataFrame) -> pl.DataFrame:
    """Return the features of the day."""
    return select_features(silver.lazy(), feature_names("basic")).collect()


@pytest.fixture(scope="session")
def model(features: pl.DataFrame) -> Pipeline:
    """Return the model of the day."""
    return train(features)
