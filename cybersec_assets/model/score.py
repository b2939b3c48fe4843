"""How strange each flow is to a model."""

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
        # scikit-learn refuses an empty table, which a stream's last batch may be.
        features = select_features(batch.lazy(), names).collect()
        scores = pl.Series("anomaly_score", -model.score_samples(features) if batch.height else [], pl.Float64)
        return batch.select(*SCORED, scores, (scores > threshold).alias("anomaly"))

    schema = {name: given[name] for name in SCORED} | {"anomaly_score": pl.Float64(), "anomaly": pl.Boolean()}
    return flows.map_batches(score_batch, schema=schema, streamable=True)
