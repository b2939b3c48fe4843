"""How strange each flow is."""

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
    """The day's silver as a file that streams in many small batches."""
    file = tmp_path_factory.mktemp("silver") / "silver.parquet"
    silver.write_parquet(file, row_group_size=1_000)
    return file


@pytest.fixture(scope="module")
def whole(features, model):
    """The day's scores by one call of scikit-learn."""
    return -model.score_samples(features)


def test_scores_are_those_of_one_call(file, silver, features, model, whole, tmp_path):
    """Scored batch by batch from a file to a file, flows have the scores of one call over the table, in order."""
    calls, ask = [], model.score_samples
    counting = train(features)
    counting.score_samples = lambda batch: calls.append(len(batch)) or ask(batch)
    with pl.Config(streaming_chunk_size=777):
        score(pl.scan_parquet(file), counting).sink_parquet(tmp_path / "eval.parquet")
    scored = pl.read_parquet(tmp_path / "eval.parquet")
    assert len(calls) > 10
    assert np.array_equal(scored["anomaly_score"].to_numpy(), whole)
    assert scored["uid"].to_list() == silver["uid"].to_list()


def test_an_anomaly_is_what_the_model_predicts(file, features, model):
    """A flow is an anomaly where the model's own verdict is -1, and nowhere else."""
    scored = score(pl.scan_parquet(file), model).collect(engine="streaming")
    assert np.array_equal(scored["anomaly"].to_numpy(), model.predict(features) == -1)
    assert 0 < scored["anomaly"].sum() < scored.height


def test_the_threshold_itself_is_no_anomaly(silver, features):
    """A score that is the threshold to the last bit is decided as the model decides it."""
    model = train(features)
    model[-1].offset_ = float(np.sort(model.score_samples(features))[1_000])
    scored = score(silver.lazy(), model).collect()
    assert model[-1].offset_ in (-scored["anomaly_score"]).to_list()
    assert np.array_equal(scored["anomaly"].to_numpy(), model.predict(features) == -1)


def test_stranger_flows_score_higher(silver, model):
    """Scores lie between 0 and 1, and the exfiltration's are above an ordinary flow's."""
    scored = score(silver.lazy(), model).collect()
    assert scored["anomaly_score"].is_between(0, 1).all()
    leak = scored.filter(src_ip="10.0.2.31", label=True)["anomaly_score"]
    assert leak.min() > scored["anomaly_score"].median()


@pytest.mark.parametrize("lazy", [True, False], ids=["streaming", "in memory"])
def test_the_columns_are_those_that_find_a_flow_again(silver, model, lazy):
    """Silver's columns stand unchanged beside score and verdict, with the schema that was announced."""
    query = score(silver.lazy(), model)
    scored = query.collect(engine="streaming" if lazy else "in-memory")
    assert dict(query.collect_schema()) == dict(scored.schema)
    assert scored.columns == [*SCORED, "anomaly_score", "anomaly"]
    assert scored.select(SCORED).equals(silver.select(SCORED))


def test_no_flows_are_no_error(silver, model):
    """An empty table has no scores, and the same columns."""
    scored = score(silver.head(0).lazy(), model).collect(engine="streaming")
    assert (scored.height, scored.columns[-1]) == (0, "anomaly")


@examples
@given(data=st.data())
def test_a_flow_scores_the_same_in_any_company(silver, model, whole, data):
    """Any choice of flows in any order has the scores that they have in the whole."""
    chosen = data.draw(st.lists(st.integers(0, silver.height - 1), min_size=1, max_size=30))
    alone = score(silver[chosen].lazy(), model).collect(engine="streaming")
    assert np.array_equal(alone["anomaly_score"].to_numpy(), whole[chosen])


def test_the_label_changes_no_score(silver, model):
    """Scores do not depend on the labels that stand beside them."""
    turned = score(silver.with_columns(~pl.col("label")).lazy(), model).collect()
    assert turned["anomaly_score"].equals(score(silver.lazy(), model).collect()["anomaly_score"])


def test_flows_without_a_feature_are_refused(silver):
    """A model that asks for what the flows lack is refused before anything is scored, with the columns' names."""
    names = feature_names("extended")
    model = train(select_features(silver.lazy(), names).collect())
    with pytest.raises(ModelError, match=r"^the flows have no feature resp_bytes, orig_packets\. Materialize their"):
        score(silver.lazy().drop("orig_packets", "resp_bytes"), model)
