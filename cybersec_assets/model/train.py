"""Train the detector."""

from typing import Any

import numpy as np
import polars as pl
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

FOREST: dict[str, Any] = {"n_estimators": 100, "contamination": "auto", "random_state": 42}


def train(features: pl.DataFrame) -> Pipeline:
    """Fit the detector.

    Args:
        features: A column per feature and a row per flow, in natural units, without negative or missing values.

    Returns:
        A pipeline of log1p and an Isolation Forest (Liu, Ting and Zhou 2008, doi:10.1109/ICDM.2008.17). Its
        `feature_names_in_` are the columns, in order.
    """
    steps = [
        ("log1p", FunctionTransformer(np.log1p, feature_names_out="one-to-one")),
        ("isolation_forest", IsolationForest(**FOREST)),
    ]
    return Pipeline(steps).fit(features)


def parameters(model: Pipeline) -> dict[str, Any]:
    """Return the parameters that are needed to train the same model again from the same flows."""
    features = [str(name) for name in model.feature_names_in_]
    return {**FOREST, "features": features, "transform": "log1p", "scikit_learn": sklearn.__version__}
