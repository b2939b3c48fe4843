"""How strange each flow is to a model."""

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline

from cybersec_assets.errors import ModelError
from cybersec_assets.features import select_features

SCORED = (
    "timestamp",
    "uid",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "protocol",
    "service",
    "bytes",
    "duration",
    "bytes_per_second",
    "label",
)
"""Which of silver's columns stand beside the scores, so that a person can find the flow again."""
STEPS_PER_E = 16
"""How many groups of like flows are made of each factor e of the first feature."""


def score(flows: pl.LazyFrame, model: Pipeline) -> pl.LazyFrame:
    """Score flows batch by batch, as they stream by.

    Polars calls the scorer from several threads and scikit-learn frees the interpreter while it walks its trees,
    so that batches run on all cores; the scores are those of one call over the whole table.

    Args:
        flows: Silver's columns.
        model: What `train` gave.

    Returns:
        The columns of SCORED, then `anomaly_score` (Liu's, over 0 to 1, higher is stranger: scikit-learn's
        `score_samples` with its sign turned) and `anomaly` (true where `predict` gives -1).

    Raises:
        ModelError: The flows lack a feature that the model was trained on.
    """
    names = [str(name) for name in model.feature_names_in_]
    given = flows.collect_schema()
    if missing := [name for name in names if name not in given]:
        raise ModelError(f"the flows have no feature {', '.join(missing)}", "Materialize their silver layer again")
    threshold = -float(model[-1].offset_)

    def score_batch(batch: pl.DataFrame) -> pl.DataFrame:
        features = select_features(batch.lazy(), names).collect()
        scores = pl.Series("anomaly_score", _score_alike(features, model), pl.Float64)
        return batch.select(*SCORED, scores, (scores > threshold).alias("anomaly"))

    schema = {name: given[name] for name in SCORED} | {"anomaly_score": pl.Float64(), "anomaly": pl.Boolean()}
    return flows.map_batches(score_batch, schema=schema, streamable=True)


def _score_alike(features: pl.DataFrame, model: Pipeline) -> np.ndarray:
    """Score like flows after each other.

    They take the same turns in a tree, which the processor then foresees: two to three times as fast as in the
    order of time. A flow's score does not depend on the others, so it is the same to the last bit.
    """
    scores = np.empty(features.height)
    if features.height:  # scikit-learn refuses an empty table, which a stream's last batch may be
        order = _likeness(features)
        scores[order] = -model.score_samples(features[order])
    return scores


def _likeness(features: pl.DataFrame) -> np.ndarray:
    """Give the flows' order by groups of the first feature, and within a group by the others."""
    first, *others = features.columns
    group = (pl.col(first).log1p() * STEPS_PER_E).floor()
    return features.select(pl.arg_sort_by(group, *others[:1])).to_series().to_numpy()
