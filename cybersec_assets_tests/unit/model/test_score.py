"""Scoring flows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import ModelError
from cybersec_assets.features import feature_names, select_features
from cybersec_assets.model.score import SCORED, score
from cybersec_assets.model.train import train
from cybersec_assets_tests.support.flows.logs import examples


@pytest.fixture(scope="module")
def file(silver, tmp_path_factory):
    """Return the silver of the day as a file that is read in many small batches."""
    file = tmp_path_factory.mktemp("silver") / "silver.parquet"
    silver.write_parquet(file, row_group_size=1_000)
    return file


@pytest.fixture(scope="module")
def whole(features, model):
    """Return the scores of the day from one call of scikit-learn."""
    return -model.score_samples(features)


def test_scores_are_those_of_one_call(file, silver, features, model, whole, tmp_path):
    """Flows are scored in batches from file to file, in order."""
    calls = []
    score_samples = model.score_samples
    counting = train(features)
    counting.score_samples = lambda batch: calls.append(len(batch)) or score_samples(batch)
    with pl.Config(streaming_chunk_size=777):
        score(pl.scan_parquet(file), counting).sink_parquet(tmp_path / "eval.parquet")
    scored = pl.read_parquet(tmp_path / "eval.parquet")
    assert len(calls) > 10
    assert np.array_equal(scored["anomaly_score"].to_numpy(), whole)
    assert scored["uid"].to_list() == silver["uid"].to_list()


def test_a_flow_is_an_anomaly_exactly_if_the_model_predicts_it(file, features, model):
    scored = score(pl.scan_parquet(file), model).collect(engine="streaming")
    assert np.array_equal(scored["anomaly"].to_numpy(), model.predict(features) == -1)
    assert 0 < scored["anomaly"].sum() < scored.height


def test_a_score_equal_to_the_threshold_is_not_an_anomaly(silver, features):
    model = train(features)
    model[-1].offset_ = float(np.sort(model.score_samples(features))[1_000])
    scored = score(silver.lazy(), model).collect()
    assert model[-1].offset_ in (-scored["anomaly_score"]).to_list()
    assert np.array_equal(scored["anomaly"].to_numpy(), model.predict(features) == -1)


def test_scores_are_between_0_and_1_and_higher_for_exfiltration(silver, model):
    scored = score(silver.lazy(), model).collect()
    assert scored["anomaly_score"].is_between(0, 1).all()
    leak = scored.filter(src_ip="10.0.2.31", label=True)["anomaly_score"]
    assert leak.min() > scored["anomaly_score"].median()


@pytest.mark.parametrize("lazy", [True, False], ids=["streaming", "in memory"])
def test_the_columns_that_identify_a_flow_are_unchanged(silver, model, lazy):
    query = score(silver.lazy(), model)
    scored = query.collect(engine="streaming" if lazy else "in-memory")
    assert dict(query.collect_schema()) == dict(scored.schema)
    assert scored.columns == [*SCORED, "anomaly_score", "anomaly"]
    assert scored.select(SCORED).equals(silver.select(SCORED))


def test_an_empty_table_has_the_same_columns(silver, model):
    scored = score(silver.head(0).lazy(), model).collect(engine="streaming")
    assert (scored.height, scored.columns[-1]) == (0, "anomaly")


@examples
@given(data=st.data())
def test_a_score_does_not_depend_on_other_flows(silver, model, whole, data):
    chosen = data.draw(st.lists(st.integers(0, silver.height - 1), min_size=1, max_size=30))
    alone = score(silver[chosen].lazy(), model).collect(engine="streaming")
    assert np.array_equal(alone["anomaly_score"].to_numpy(), whole[chosen])


def test_a_score_does_not_depend_on_the_label(silver, model):
    inverted = score(silver.with_columns(~pl.col("label")).lazy(), model).collect()
    assert inverted["anomaly_score"].equals(score(silver.lazy(), model).collect()["anomaly_score"])


def test_flows_without_a_feature_of_the_model_are_rejected(silver):
    names = feature_names("extended")
    model = train(select_features(silver.lazy(), names).collect())
    with pytest.raises(ModelError, match=r"^the flows have no feature resp_bytes, orig_packets\. Materialize their"):
        score(silver.lazy().drop("orig_packets", "resp_bytes"), model)
