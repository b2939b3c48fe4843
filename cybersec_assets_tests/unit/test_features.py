"""The features of a model."""

import datetime as dt
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import ModelError
from cybersec_assets.features import FEATURE_SETS, add_features, feature_names, select_features
from cybersec_assets.flows.clean import clean
from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets.model.score import score
from cybersec_assets.model.train import train
from cybersec_assets_tests.support.flows.logs import examples

FLOW = {
    "timestamp": dt.datetime(2024, 4, 19, 12, tzinfo=dt.UTC),
    "src_ip": "10.0.0.1",
    "dst_ip": "10.0.0.2",
    "protocol": "tcp",
}
counts = st.none() | st.integers(0, 2**63 - 1)
COUNTED = ("bytes", "orig_bytes", "resp_bytes", "orig_packets", "resp_packets")
flows = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys(COUNTED, counts)
        | {
            "duration": st.none() | st.floats(0, allow_nan=False, allow_infinity=False),
            "label": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=20,
)
every_set = pytest.mark.parametrize("feature_set", FEATURE_SETS)


def silver_of(flows):
    """Return silver, made as in the asset."""
    return add_features(clean(pl.LazyFrame([FLOW | flow for flow in flows], schema=RAW_SCHEMA), 0))


def features_of(flows, feature_set):
    """Return the features of flows."""
    return select_features(silver_of(flows), feature_names(feature_set)).collect(engine="streaming")


def test_the_sets_are_those_of_the_contract():
    assert feature_names("basic") == ("bytes", "duration", "bytes_per_second")
    assert feature_names("extended") == (*feature_names("basic"), *COUNTED[1:])
    assert list(FEATURE_SETS) == ["basic", "extended"]


def test_an_unknown_set_is_rejected():
    with pytest.raises(ModelError, match=r"^FEATURE_SET='best' is unknown\. Use one of basic, extended\.$"):
        feature_names("best")


def test_the_sets_cannot_be_changed():
    with pytest.raises(TypeError):
        FEATURE_SETS["basic"] = ()


@every_set
def test_labels_and_alerts_are_not_features(feature_set):
    assert not {"label", "alerted"} & set(feature_names(feature_set))


@every_set
@examples
@given(flows)
def test_features_are_finite_and_not_negative(feature_set, flows):
    features = features_of(flows, feature_set)
    assert set(features.dtypes) == {pl.Float64}
    assert tuple(features.columns) == feature_names(feature_set)
    assert all(math.isfinite(value) and value >= 0 for row in features.rows() for value in row)


@examples
@given(flows)
def test_features_are_the_flows_own_values(flows):
    """Unset values are 0, and the speed is the exact ratio."""
    features = features_of(flows, "extended")
    for name in (*COUNTED, "duration"):
        assert features[name].to_list() == [float(flow[name] or 0) for flow in flows]
    lasting = [flow for flow in flows if flow["duration"] and (flow["bytes"] or 0) / flow["duration"] < math.inf]
    speeds = [speed for flow, speed in zip(flows, features["bytes_per_second"], strict=True) if flow in lasting]
    assert speeds == [(flow["bytes"] or 0) / flow["duration"] for flow in lasting]


@examples
@given(flows)
def test_speed_is_zero_without_a_duration(flows):
    instant = [flow | {"duration": flow["duration"] and 0.0} for flow in flows]
    assert features_of(instant, "basic")["bytes_per_second"].to_list() == [0.0] * len(flows)


@examples
@given(flows)
def test_unknown_labels_stay_unknown(flows):
    assert silver_of(flows).collect()["label"].to_list() == [flow["label"] for flow in flows]


@every_set
def test_training_and_scoring_use_the_same_columns_in_order(feature_set):
    flows = [dict.fromkeys(COUNTED, size) | {"duration": 1.0} for size in range(300)]
    model = train(features_of(flows, feature_set))
    seen = []
    score_samples = model.score_samples
    model.score_samples = lambda features: seen.append(tuple(features.columns)) or score_samples(features)
    score(silver_of(flows).select(pl.all().reverse()), model).collect()
    assert set(seen) == {tuple(model.feature_names_in_)} == {feature_names(feature_set)}
