"""Summarize the scores of a day and, if flows are labelled, measure the model."""

from pathlib import Path

import polars as pl

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 100


def evaluate(scored: Path) -> dict[str, float]:
    """Summarize the scores of a day.

    Args:
        scored: A Parquet file with `anomaly_score`, `anomaly` and `label`.

    Returns:
        `flows`, `anomalies`, `anomaly_rate` (0 to 1), `score_mean`, `score_std` (the standard deviation, with n in the
        denominator), `score_q01` … `score_q99`. If some flows are labelled and both labels occur, also `auroc`,
        `average_precision` and `precision_at_100`.
    """
    score = pl.col("anomaly_score")
    quantiles = {f"score_q{round(q * 100):02d}": score.quantile(q) for q in QUANTILES}
    summary = pl.scan_parquet(scored).select(
        flows=pl.len(),
        anomalies=pl.col("anomaly").sum(),
        anomaly_rate=pl.col("anomaly").mean(),
        score_mean=score.mean(),
        score_std=score.std(ddof=0),
        **quantiles,
    )
    return summary.collect(engine="streaming").row(0, named=True) | _against_labels(scored)


def _against_labels(scored: Path) -> dict[str, float]:
    labelled = pl.scan_parquet(scored).filter(pl.col("label").is_not_null())
    # Flows with the same score and label are ranked as one flow with a weight.
    ranked = labelled.group_by("anomaly_score", "label").len("flows").collect(engine="streaming")
    if ranked["label"].n_unique() < 2:  # noqa: PLR2004 - the metrics need both classes
        return {}
    from sklearn.metrics import average_precision_score, roc_auc_score

    labels, scores, weights = (ranked[name].to_numpy() for name in ("label", "anomaly_score", "flows"))
    return {
        "auroc": float(roc_auc_score(labels, scores, sample_weight=weights)),
        "average_precision": float(average_precision_score(labels, scores, sample_weight=weights)),
        "precision_at_100": _precision_at(TOP, ranked),
    }


def _precision_at(top: int, ranked: pl.DataFrame) -> float:
    """Return the share of malicious flows among the top anomalies. Ties for the last places count in proportion."""
    flows = pl.col("flows").cast(pl.Int64).sum()
    malicious = pl.col("flows").filter("label").sum()
    by_score = ranked.group_by("anomaly_score").agg(flows, malicious.alias("malicious"))
    descending = by_score.sort("anomaly_score", descending=True)
    above = pl.col("flows").cum_sum() - pl.col("flows")
    taken = (top - above).clip(0, pl.col("flows"))
    return float(descending.select((pl.col("malicious") / pl.col("flows") * taken).sum() / taken.sum()).item())
