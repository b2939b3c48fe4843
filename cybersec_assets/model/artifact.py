"""A model as a file: a pickle of the fitted scikit-learn pipeline.

Unpickling runs code, so nothing here opens a path: `load` takes bytes that the caller has found to be those that
the audit recorded.
"""

import io
import pickle
from pathlib import Path

from sklearn.pipeline import Pipeline

from cybersec_assets.errors import ModelError


def save(model: Pipeline, path: Path) -> None:
    """Write a fitted model."""
    with path.open("wb") as file:
        pickle.dump(model, file, protocol=5)


def load(trusted: bytes) -> Pipeline:
    """Read a model from bytes whose SHA-256 was checked.

    Raises:
        ModelError: They are no pickle of a pipeline.
    """
    try:
        model = pickle.load(io.BytesIO(trusted))  # noqa: S301 - the caller checked the bytes against the audit
    except Exception as error:
        raise ModelError(f"the model cannot be unpickled: {error}", "Train it again for the day") from error
    if not isinstance(model, Pipeline):
        raise ModelError(f"the model is a {type(model).__name__}, not a pipeline", "Train it again for the day")
    return model
