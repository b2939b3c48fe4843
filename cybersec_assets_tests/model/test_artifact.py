"""A model as a file."""

import pickle

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from cybersec_assets.errors import ModelError
from cybersec_assets.model.artifact import load, save


def test_a_model_survives_its_file(model, features, tmp_path):
    """A model that was saved and loaded gives the same scores and verdicts to the last bit."""
    save(model, tmp_path / "model.pkl")
    loaded = load((tmp_path / "model.pkl").read_bytes())
    assert np.array_equal(loaded.score_samples(features), model.score_samples(features))
    assert np.array_equal(loaded.predict(features), model.predict(features))
    assert list(loaded.feature_names_in_) == list(model.feature_names_in_)


def test_the_same_model_gives_the_same_bytes(model, tmp_path):
    """Saving twice writes the same file, so that its hash names the model."""
    for name in ("one", "other"):
        save(model, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("data", [b"", b"no pickle", b"\x80\x05.", b"cnowhere\nthing\n."], ids=range(4))
def test_bytes_that_are_no_pickle_are_refused(data):
    """Bytes that cannot be unpickled give the project's error with a remedy."""
    with pytest.raises(ModelError, match=r"^the model cannot be unpickled: .+\. Train it again for the day\.$"):
        load(data)


def test_a_cut_model_is_refused(model, tmp_path):
    """A model whose file lacks its end gives the project's error."""
    save(model, tmp_path / "model.pkl")
    with pytest.raises(ModelError, match=r"^the model cannot be unpickled: "):
        load((tmp_path / "model.pkl").read_bytes()[:-20])


@pytest.mark.parametrize("thing", [{}, IsolationForest()], ids=["dict", "IsolationForest"])
def test_a_pickle_of_something_else_is_refused(thing):
    """A pickle that holds no pipeline is named for what it holds."""
    with pytest.raises(ModelError, match=rf"^the model is a {type(thing).__name__}, not a pipeline\. Train it again"):
        load(pickle.dumps(thing))
