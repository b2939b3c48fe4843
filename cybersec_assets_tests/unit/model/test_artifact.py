"""A model as a file."""

import pickle

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from cybersec_assets.errors import ModelError
from cybersec_assets.features import FEATURE_SETS, feature_names
from cybersec_assets.model.artifact import load, require_fit, save
from cybersec_assets.model.train import parameters

BASIC = feature_names("basic")
FITTING = {"scikit_learn": sklearn.__version__, "feature_set": "basic", "features": list(BASIC)}
versions = st.text() | st.none() | st.integers()
feature_lists = st.permutations(BASIC).map(list) | st.lists(st.sampled_from(BASIC), max_size=4) | st.none() | st.text()


def test_a_model_survives_its_file(model, features, tmp_path):
    """A model that was saved and loaded gives the same scores and verdicts to the last bit."""
    save(model, tmp_path / "model.pkl")
    loaded = load((tmp_path / "model.pkl").read_bytes(), BASIC)
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
        load(data, BASIC)


def test_a_cut_model_is_refused(model, tmp_path):
    """A model whose file lacks its end gives the project's error."""
    save(model, tmp_path / "model.pkl")
    with pytest.raises(ModelError, match=r"^the model cannot be unpickled: "):
        load((tmp_path / "model.pkl").read_bytes()[:-20], BASIC)


@pytest.mark.parametrize("thing", [{}, IsolationForest()], ids=["dict", "IsolationForest"])
def test_a_pickle_of_something_else_is_refused(thing):
    """A pickle that holds no pipeline is named for what it holds."""
    with pytest.raises(ModelError, match=rf"^the model is a {type(thing).__name__}, not a pipeline\. Train it again"):
        load(pickle.dumps(thing), BASIC)


@pytest.mark.parametrize("columns", [BASIC[:-1], BASIC[::-1], FEATURE_SETS["extended"]], ids=["fewer", "order", "more"])
def test_a_model_of_other_columns_than_were_written_down_is_refused(model, columns):
    """The pipeline's own columns, and their order, must be those of its row."""
    with pytest.raises(ModelError, match=r"^the model was fitted to \['bytes'.* was written down\. Train it again"):
        load(pickle.dumps(model), columns)


def test_what_training_writes_down_fits(model):
    """What is written down of a model that was trained just now fits this program; one word changed, it does not."""
    told = {"feature_set": "basic", **parameters(model)}
    require_fit(told)
    with pytest.raises(ModelError):
        require_fit(told | {"scikit_learn": "0"})


@given(version=versions.filter(lambda version: version != sklearn.__version__))
def test_another_scikit_learn_is_refused(version):
    """A model of any other version, and of none, is refused by both versions' names."""
    with pytest.raises(ModelError, match=f"this is {sklearn.__version__}. Train it again for the day"):
        require_fit(FITTING | {"scikit_learn": version})


@given(told=feature_lists.filter(lambda told: told != list(BASIC)))
def test_another_list_of_features_is_refused(told):
    """Features that are fewer, more, repeated or in another order than the set's are refused."""
    with pytest.raises(ModelError, match=r"its set has \['bytes', 'duration', 'bytes_per_second'\]\. Train it again"):
        require_fit(FITTING | {"features": told})


def test_a_feature_set_that_is_no_more_is_refused():
    """A set that this program does not know is named."""
    with pytest.raises(ModelError, match="'huge' is unknown"):
        require_fit(FITTING | {"feature_set": "huge"})


@pytest.mark.parametrize("missing", [*FITTING, None])
def test_what_was_not_written_down_does_not_fit(missing):
    """A row that lacks any of the three facts, as those of older releases do, gives the project's error."""
    known = {name: value for name, value in FITTING.items() if missing not in {name, None}}
    with pytest.raises(ModelError):
        require_fit(known)
