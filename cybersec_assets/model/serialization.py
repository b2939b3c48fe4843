"""Store a model as a pickle of the fitted scikit-learn pipeline.

Unpickling runs code. Therefore `load` does not open files: it takes bytes that the caller has compared with the audit.
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
    """Write a fitted model to a file."""
    with path.open("wb") as file:
        pickle.dump(model, file, protocol=5)


def require_compatible(parameters: Mapping[str, Any]) -> None:
    """Check, before unpickling, that this program can use a model.

    Args:
        parameters: The recorded parameters of the model: `scikit_learn`, `feature_set` and `features`.

    Raises:
        ModelError: The model was trained by another scikit-learn, or its feature set has changed.
    """
    if parameters.get("scikit_learn") != sklearn.__version__:
        trained = parameters.get("scikit_learn", "an unknown version")
        raise ModelError(f"the model was trained by scikit-learn {trained}, this is {sklearn.__version__}", RETRAIN)
    features = list(feature_names(str(parameters.get("feature_set"))))
    if parameters.get("features") != features:
        raise ModelError(
            f"the model has the features {parameters.get('features')}, its feature set has {features}", RETRAIN
        )


def load(trusted: bytes, features: Sequence[str]) -> Pipeline:
    """Load a model from bytes whose SHA-256 the caller has checked.

    Args:
        trusted: The bytes.
        features: The columns to which the model must have been fitted, in order.

    Raises:
        ModelError: The bytes are not a pickle of a pipeline, or it was fitted to other columns.
    """
    try:
        model = pickle.load(io.BytesIO(trusted))  # noqa: S301 - the caller checked the bytes against the audit
    except Exception as error:
        raise ModelError(f"the model cannot be unpickled: {error}", RETRAIN) from error
    if not isinstance(model, Pipeline):
        raise ModelError(f"the model is a {type(model).__name__}, not a pipeline", RETRAIN)
    fitted = list(model.feature_names_in_)
    if fitted != list(features):
        raise ModelError(f"the model was fitted to {fitted}, but {list(features)} was recorded", RETRAIN)
    return model
