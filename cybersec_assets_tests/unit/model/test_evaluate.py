"""Evaluating the scores of a day."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.model.evaluate import QUANTILES, evaluate
from cybersec_assets.model.score import score
from cybersec_assets_tests.support.flows.logs import examples

SIZE = 1_001
LABEL_METRICS = {"auroc", "average_precision", "precision_at_100"}
scores = st.lists(st.floats(0, 1), min_size=1, max_size=50)


def day_of(seed):
    """Return random scores, verdicts and labels. A third of the flows has no label."""
    random = np.random.default_rng(seed)
    malice = random.random(SIZE) < 0.2
    score = random.permutation(SIZE) / SIZE * 0.6 + malice * 0.2
    label = [None if hidden else bool(bad) for bad, hidden in zip(malice, random.random(SIZE) < 0.3, strict=True)]
    return pl.DataFrame({"anomaly_score": score, "anomaly": score > 0.5, "label": label})


def metrics_of(frame):
    """Return the metrics of a table."""
    with tempfile.TemporaryDirectory() as folder:
        frame.write_parquet(Path(folder) / "eval.parquet")
        return evaluate(Path(folder) / "eval.parquet")


def labelled(frame):
    """Return the labels and scores of the labelled flows, the highest score first."""
    known = frame.drop_nulls("label").sort("anomaly_score", descending=True)
    return known["label"].to_numpy(), known["anomaly_score"].to_numpy()


@pytest.mark.parametrize("seed", range(3))
def test_the_summary_agrees_with_numpy(seed):
    frame = day_of(seed)
    found = metrics_of(frame)
    score = frame["anomaly_score"].to_numpy()
    assert found["flows"] == SIZE
    assert found["anomalies"] == np.count_nonzero(score > 0.5)
    assert found["anomaly_rate"] == pytest.approx(np.mean(score > 0.5), rel=1e-12)
    assert found["score_mean"] == pytest.approx(np.mean(score), rel=1e-12)
    assert found["score_std"] == pytest.approx(np.std(score), rel=1e-12)
    quantiles = {f"score_q{round(q * 100):02d}": np.quantile(score, q) for q in QUANTILES}
    assert {name: found[name] for name in quantiles} == pytest.approx(quantiles)


@examples
@given(scores)
def test_the_deviation_is_the_root_of_the_variance(scores):
    """It has n in the denominator."""
    frame = pl.DataFrame({"anomaly_score": scores, "anomaly": [False] * len(scores), "label": [None] * len(scores)})
    found = metrics_of(frame.cast({"label": pl.Boolean}))
    mean = sum(scores) / len(scores)
    variance = sum((score - mean) ** 2 for score in scores) / len(scores)
    assert found["score_std"] == pytest.approx(variance**0.5, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_auroc_is_the_probability_that_malicious_flows_rank_higher(seed):
    """It is the share of pairs of a malicious and a benign flow in which the malicious one has the higher score."""
    frame = day_of(seed)
    labels, score = labelled(frame)
    pairs = score[labels][:, None] > score[~labels][None, :]
    assert metrics_of(frame)["auroc"] == pytest.approx(pairs.mean(), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_the_mean_precision_at_each_malicious_flow(seed):
    frame = day_of(seed)
    labels, _ = labelled(frame)
    precision = np.cumsum(labels) / np.arange(1, len(labels) + 1)
    assert metrics_of(frame)["average_precision"] == pytest.approx(precision[labels].mean(), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_precision_at_100_is_the_malicious_share_of_the_top_anomalies(seed):
    frame = day_of(seed)
    labels, _ = labelled(frame)
    assert metrics_of(frame)["precision_at_100"] == pytest.approx(labels[:100].mean(), rel=1e-12)


@pytest.mark.parametrize("labels", [[None] * 4, [True] * 4, [False] * 4, [None, True, None, True]])
def test_the_metrics_of_the_model_need_both_labels(labels):
    frame = pl.DataFrame({"anomaly_score": [0.1, 0.2, 0.3, 0.4], "anomaly": [False] * 4, "label": labels})
    assert not LABEL_METRICS & set(metrics_of(frame.cast({"label": pl.Boolean})))


def test_flows_without_a_label_are_not_counted_as_benign():
    """They count only in the summary."""
    known = pl.DataFrame({"anomaly_score": [0.9, 0.1], "anomaly": [True, False], "label": [True, False]})
    unknown = pl.DataFrame({"anomaly_score": [0.95] * 9, "anomaly": [True] * 9, "label": [None] * 9}, known.schema)
    found = metrics_of(pl.concat([known, unknown]))
    assert (found["flows"], found["anomalies"]) == (11, 10)
    assert (found["auroc"], found["average_precision"], found["precision_at_100"]) == (1.0, 1.0, 0.5)


def test_a_scored_day_is_evaluated(silver, model, tmp_path):
    """All metrics are plain numbers."""
    score(silver.lazy(), model).sink_parquet(tmp_path / "eval.parquet")
    found = evaluate(tmp_path / "eval.parquet")
    assert set(found) >= LABEL_METRICS
    assert {type(value) for value in found.values()} == {int, float}
    assert found["auroc"] > 0.8
