"""Saving and loading models."""

import pickle

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from cybersec_assets.errors import ModelError
from cybersec_assets.features import FEATURE_SETS, feature_names
from cybersec_assets.model.serialization import load, require_compatible, save
from cybersec_assets.model.train import parameters

BASIC = feature_names("basic")
FITTING = {"scikit_learn": sklearn.__version__, "feature_set": "basic", "features": list(BASIC)}
versions = st.text() | st.none() | st.integers()
feature_lists = st.permutations(BASIC).map(list) | st.lists(st.sampled_from(BASIC), max_size=4) | st.none() | st.text()


def test_a_loaded_model_gives_identical_scores(model, features, tmp_path):
    save(model, tmp_path / "model.pkl")
    loaded = load((tmp_path / "model.pkl").read_bytes(), BASIC)
    assert np.array_equal(loaded.score_samples(features), model.score_samples(features))
    assert np.array_equal(loaded.predict(features), model.predict(features))
    assert list(loaded.feature_names_in_) == list(model.feature_names_in_)


def test_the_same_model_gives_the_same_bytes(model, tmp_path):
    for name in ("one", "other"):
        save(model, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("data", [b"", b"not a pickle", b"\x80\x05.", b"cnowhere\nthing\n."], ids=range(4))
def test_bytes_that_are_not_a_pickle_are_rejected(data):
    with pytest.raises(ModelError, match=r"^the model cannot be unpickled: .+\. Train it again for the day\.$"):
        load(data, BASIC)


def test_a_truncated_model_is_rejected(model, tmp_path):
    save(model, tmp_path / "model.pkl")
    with pytest.raises(ModelError, match=r"^the model cannot be unpickled: "):
        load((tmp_path / "model.pkl").read_bytes()[:-20], BASIC)


@pytest.mark.parametrize("thing", [{}, IsolationForest()], ids=["dict", "IsolationForest"])
def test_a_pickle_of_another_object_is_rejected(thing):
    with pytest.raises(ModelError, match=rf"^the model is a {type(thing).__name__}, not a pipeline\. Train it again"):
        load(pickle.dumps(thing), BASIC)


@pytest.mark.parametrize("columns", [BASIC[:-1], BASIC[::-1], FEATURE_SETS["extended"]], ids=["fewer", "order", "more"])
def test_a_model_of_other_columns_than_recorded_is_rejected(model, columns):
    with pytest.raises(ModelError, match=r"^the model was fitted to \['bytes'.* was recorded\. Train it again"):
        load(pickle.dumps(model), columns)


def test_the_parameters_of_a_new_model_are_compatible(model):
    recorded = {"feature_set": "basic", **parameters(model)}
    require_compatible(recorded)
    with pytest.raises(ModelError):
        require_compatible(recorded | {"scikit_learn": "0"})


@given(version=versions.filter(lambda version: version != sklearn.__version__))
def test_another_or_no_scikit_learn_is_rejected(version):
    with pytest.raises(ModelError, match=f"this is {sklearn.__version__}. Train it again for the day"):
        require_compatible(FITTING | {"scikit_learn": version})


@given(features=feature_lists.filter(lambda features: features != list(BASIC)))
def test_another_list_of_features_is_rejected(features):
    with pytest.raises(
        ModelError, match=r"its feature set has \['bytes', 'duration', 'bytes_per_second'\]\. Train it again"
    ):
        require_compatible(FITTING | {"features": features})


def test_an_unknown_feature_set_is_rejected():
    with pytest.raises(ModelError, match="'huge' is unknown"):
        require_compatible(FITTING | {"feature_set": "huge"})


@pytest.mark.parametrize("missing", [*FITTING, None])
def test_missing_parameters_are_rejected(missing):
    """Rows of older releases lack some of them."""
    known = {name: value for name, value in FITTING.items() if missing not in {name, None}}
    with pytest.raises(ModelError):
        require_compatible(known)
