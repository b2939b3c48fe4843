"""A model as a file: a pickle of the fitted scikit-learn pipeline.

Unpickling runs code, so nothing here opens a path: `load` takes bytes that the caller has found to be those that
the audit recorded.
"""

import io
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sklearn
from sklearn.pipeline import Pipeline

from cybersec_assets.errors import ModelError
from cybersec_assets.features import feature_names

RETRAIN = "Train it again for the day"


def save(model: Pipeline, path: Path) -> None:
    """Write a fitted model."""
    with path.open("wb") as file:
        pickle.dump(model, file, protocol=5)


def require_fit(made_with: Mapping[str, Any]) -> None:
    """See that a model fits this program, before it is unpickled.

    Args:
        made_with: What was written down when it was trained: `scikit_learn`, `feature_set` and `features`.

    Raises:
        ModelError: It was trained by another scikit-learn, or its feature set has other features now.
    """
    if made_with.get("scikit_learn") != sklearn.__version__:
        trained = made_with.get("scikit_learn", "an unknown version")
        raise ModelError(f"the model was trained by scikit-learn {trained}, this is {sklearn.__version__}", RETRAIN)
    features = list(feature_names(str(made_with.get("feature_set"))))
    if made_with.get("features") != features:
        told = f"the model has the features {made_with.get('features')}, its set has {features}"
        raise ModelError(told, RETRAIN)


def load(trusted: bytes, features: Sequence[str]) -> Pipeline:
    """Read a model from bytes whose SHA-256 was checked.

    Args:
        trusted: The bytes.
        features: The columns that it must have been fitted to, in order.

    Raises:
        ModelError: They are no pickle of a pipeline, or it was fitted to other columns.
    """
    try:
        model = pickle.load(io.BytesIO(trusted))  # noqa: S301 - the caller checked the bytes against the audit
    except Exception as error:
        raise ModelError(f"the model cannot be unpickled: {error}", RETRAIN) from error
    if not isinstance(model, Pipeline):
        raise ModelError(f"the model is a {type(model).__name__}, not a pipeline", RETRAIN)
    if (fitted := list(model.feature_names_in_)) != list(features):
        raise ModelError(f"the model was fitted to {fitted}, but {list(features)} was written down", RETRAIN)
    return model
