"""How the detector is made."""

import json

import numpy as np
import polars as pl
import pytest
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from cybersec_assets.features import FEATURE_SETS, feature_names, select_features
from cybersec_assets.model.train import parameters, train


def test_the_model_is_the_contracts(model):
    """The last step is an Isolation Forest with the parameters that the contract names."""
    forest = model[-1]
    assert type(forest) is IsolationForest
    assert (forest.n_estimators, forest.contamination, forest.random_state) == (100, "auto", 42)
    assert len(forest.estimators_) == 100
    assert list(model.feature_names_in_) == ["bytes", "duration", "bytes_per_second"]


def test_the_forest_sees_logarithms(model, features):
    """The model is that of a forest which is trained and asked by hand on log1p of the features."""
    logs = np.log1p(features.to_numpy())
    forest = IsolationForest(n_estimators=100, contamination="auto", random_state=42).fit(logs)
    assert np.array_equal(model.score_samples(features), forest.score_samples(logs))


def test_logarithms_are_worth_it(model, features, silver):
    """Raw volumes, which a forest is all but blind on, are told apart worse than their logarithms."""
    raw = IsolationForest(n_estimators=100, random_state=42).fit(features.to_numpy())
    labels = silver["label"].to_numpy()
    assert roc_auc_score(labels, -model.score_samples(features)) > 0.8
    assert roc_auc_score(labels, -raw.score_samples(features.to_numpy())) < 0.8


def test_the_same_flows_give_the_same_model(model, features):
    """Training twice gives the same scores to the last bit."""
    assert np.array_equal(train(features).score_samples(features), model.score_samples(features))


@pytest.mark.parametrize("feature_set", FEATURE_SETS)
def test_labels_never_reach_training(silver, feature_set):
    """Shuffling or turning over the labels changes no score."""
    names, labels = feature_names(feature_set), silver["label"]
    scores = []
    for column in (labels, labels.shuffle(seed=1), ~labels):
        day = silver.with_columns(column.alias("label"), column.alias("alerted")).lazy()
        features = select_features(day, names).collect()
        scores.append(train(features).score_samples(features))
    assert np.array_equal(scores[0], scores[1])
    assert np.array_equal(scores[0], scores[2])


def test_parameters_are_enough_to_make_the_model_again(model, features):
    """What is written down is JSON, and a forest made from it alone gives the same scores."""
    said = json.loads(json.dumps(parameters(model)))
    assert said == {
        "n_estimators": 100,
        "contamination": "auto",
        "random_state": 42,
        "features": ["bytes", "duration", "bytes_per_second"],
        "transform": "log1p",
        "scikit_learn": sklearn.__version__,
    }
    table = getattr(np, said["transform"])(features.select(said["features"]).to_numpy())
    forest = IsolationForest(**{name: said[name] for name in ("n_estimators", "contamination", "random_state")})
    assert np.array_equal(forest.fit(table).score_samples(table), model.score_samples(features))


def test_one_flow_makes_a_model():
    """A day with a single flow trains, and the flow is no anomaly."""
    flow = pl.DataFrame({"bytes": [1.0], "duration": [0.0], "bytes_per_second": [0.0]})
    assert train(flow).predict(flow).tolist() == [1]


def test_a_wide_range_of_values_is_trained_on():
    """Values from 0 to the largest float, as a speed may be, are taken and give finite scores."""
    values = [0.0, 5e-324, 1.0, 2.0**63, 1.7976931348623157e308] * 20
    flows = pl.DataFrame(dict.fromkeys(["bytes", "duration", "bytes_per_second"], values))
    assert np.isfinite(train(flows).score_samples(flows)).all()
