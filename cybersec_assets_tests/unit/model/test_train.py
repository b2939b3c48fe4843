"""Training the detector."""

import json

import numpy as np
import polars as pl
import pytest
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from cybersec_assets.features import FEATURE_SETS, feature_names, select_features
from cybersec_assets.model.train import parameters, train


def test_the_last_step_is_the_isolation_forest_of_the_contract(model):
    forest = model[-1]
    assert type(forest) is IsolationForest
    assert (forest.n_estimators, forest.contamination, forest.random_state) == (100, "auto", 42)
    assert len(forest.estimators_) == 100
    assert list(model.feature_names_in_) == ["bytes", "duration", "bytes_per_second"]


def test_the_model_equals_a_forest_on_log1p_of_the_features(model, features):
    logs = np.log1p(features.to_numpy())
    forest = IsolationForest(n_estimators=100, contamination="auto", random_state=42).fit(logs)
    assert np.array_equal(model.score_samples(features), forest.score_samples(logs))


def test_logarithms_detect_more_than_raw_volumes(model, features, silver):
    raw = IsolationForest(n_estimators=100, random_state=42).fit(features.to_numpy())
    labels = silver["label"].to_numpy()
    assert roc_auc_score(labels, -model.score_samples(features)) > 0.8
    assert roc_auc_score(labels, -raw.score_samples(features.to_numpy())) < 0.8


def test_the_same_flows_give_the_same_model(model, features):
    assert np.array_equal(train(features).score_samples(features), model.score_samples(features))


@pytest.mark.parametrize("feature_set", FEATURE_SETS)
def test_labels_never_reach_training(silver, feature_set):
    """Neither shuffled nor inverted labels change a score."""
    names = feature_names(feature_set)
    labels = silver["label"]
    scores = []
    for column in (labels, labels.shuffle(seed=1), ~labels):
        day = silver.with_columns(column.alias("label"), column.alias("alerted")).lazy()
        features = select_features(day, names).collect()
        scores.append(train(features).score_samples(features))
    assert np.array_equal(scores[0], scores[1])
    assert np.array_equal(scores[0], scores[2])


def test_the_parameters_suffice_to_train_the_same_model(model, features):
    recorded = json.loads(json.dumps(parameters(model)))
    assert recorded == {
        "n_estimators": 100,
        "contamination": "auto",
        "random_state": 42,
        "features": ["bytes", "duration", "bytes_per_second"],
        "transform": "log1p",
        "scikit_learn": sklearn.__version__,
    }
    table = getattr(np, recorded["transform"])(features.select(recorded["features"]).to_numpy())
    forest = IsolationForest(**{name: recorded[name] for name in ("n_estimators", "contamination", "random_state")})
    assert np.array_equal(forest.fit(table).score_samples(table), model.score_samples(features))


def test_a_single_flow_can_be_trained_on_and_is_not_an_anomaly():
    flow = pl.DataFrame({"bytes": [1.0], "duration": [0.0], "bytes_per_second": [0.0]})
    assert train(flow).predict(flow).tolist() == [1]


def test_values_up_to_the_largest_float_give_finite_scores():
    values = [0.0, 5e-324, 1.0, 2.0**63, 1.7976931348623157e308] * 20
    flows = pl.DataFrame(dict.fromkeys(["bytes", "duration", "bytes_per_second"], values))
    assert np.isfinite(train(flows).score_samples(flows)).all()
