"""The gold layer: the day's model, and a score for each of the day's flows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from cybersec_assets import phases
from cybersec_assets.defs import checks
from cybersec_assets.defs.assets.metadata import describe_table, score_histogram, to_markdown
from cybersec_assets.defs.assets.silver import SILVER_KEY
from cybersec_assets.defs.io_managers import LINEAGE_OF
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.launch import one_of, shares
from cybersec_assets.defs.resources.scratch import ScratchResource
from cybersec_assets.features import FEATURE_SETS, feature_names, select_features

MODEL_KEY = dg.AssetKey.from_user_string(phases.MODEL.asset)
EVALUATION_KEY = dg.AssetKey.from_user_string(phases.EVALUATION.asset)
TOP_ANOMALIES = 10


@dataclass(frozen=True)
class Detector:
    """What a person may choose of the model."""

    feature_set: str


def detector(feature_set: str) -> dg.ResourceDefinition:
    """Return the resource `detector`, whose feature set a launch may change.

    Args:
        feature_set: The default, from the environment.
    """
    field = dg.Field(
        one_of("FeatureSet", tuple(FEATURE_SETS)),
        default_value=feature_set,
        description="A set of `features.py`: basic or extended.",
    )
    return dg.ResourceDefinition(
        lambda context: Detector(**context.resource_config),
        config_schema={"feature_set": field},
        description=Detector.__doc__,
    )


class EvaluationConfig(dg.Config):
    """The range of the anomaly rate of an ordinary day."""

    min_anomaly_rate: float = Field(0.0, ge=0, le=1, description="Below this rate the check warns.")
    max_anomaly_rate: float = Field(0.6, ge=0, le=1, description="Above this rate the check warns.")


def model_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Define `gold/isolation_forest`."""

    @dg.asset(
        key=MODEL_KEY,
        ins={"silver": dg.AssetIn(SILVER_KEY)},
        group_name="gold",
        partitions_def=partitions,
        io_manager_key="model_io_manager",
        config_schema={},
        kinds={"scikitlearn"},
    )
    def isolation_forest(
        context: dg.AssetExecutionContext,
        silver: pl.LazyFrame,
        audit: dg.ResourceParam[AuditResource],
        detector: dg.ResourceParam[Detector],
    ) -> dg.Output[Any]:
        """Train an Isolation Forest on the day's features."""
        # scikit-learn takes seconds to import, which only processes that train or score should pay.
        from cybersec_assets.model.train import parameters, train

        with audit.phase(phases.MODEL.asset, context.partition_key) as phase:
            features = select_features(silver, feature_names(detector.feature_set)).collect(engine="streaming")
            model = train(features)
            made_with = {"feature_set": detector.feature_set, **parameters(model)}
            phase.facts |= {"records": features.height, "parameters": made_with}
            return dg.Output(model, metadata={"dagster/partition_row_count": features.height, "parameters": made_with})

    return isolation_forest


def evaluation_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Define `gold/evaluation`."""

    @dg.asset(
        key=EVALUATION_KEY,
        ins={
            "model": dg.AssetIn(MODEL_KEY),
            "silver": dg.AssetIn(SILVER_KEY, metadata={LINEAGE_OF: phases.MODEL.asset}),
        },
        group_name="gold",
        partitions_def=partitions,
        io_manager_key="parquet_io_manager",
        config_schema=shares(EvaluationConfig),
        check_specs=checks.specs(EVALUATION_KEY, checks.EVALUATION_RULES, blocking=False),
        kinds={"polars", "scikitlearn"},
    )
    def evaluation(
        context: dg.AssetExecutionContext,
        model: Any,
        silver: pl.LazyFrame,
        audit: dg.ResourceParam[AuditResource],
        scratch: dg.ResourceParam[ScratchResource],
    ) -> Iterator[Any]:
        """Score the day's flows with the model that was trained on them, and summarize the scores."""
        from cybersec_assets.model.evaluate import evaluate
        from cybersec_assets.model.score import score

        config = EvaluationConfig(**context.op_execution_context.op_config)
        with audit.phase(phases.EVALUATION.asset, context.partition_key) as phase:
            file = scratch.new_file("eval.parquet")
            score(silver, model).sink_parquet(file)
            metrics = evaluate(file)
            phase.facts |= {
                "metrics": metrics | config.model_dump(),
                "model": phase.input_name(phases.MODEL.asset),
                "dataset": phase.input_name(phases.SILVER.asset),
            }
            top_anomalies = pl.scan_parquet(file).top_k(TOP_ANOMALIES, by="anomaly_score").collect(engine="streaming")
            described = describe_table(file) | {"preview": dg.MetadataValue.md(to_markdown(top_anomalies))}
            histogram = score_histogram(file, -float(model[-1].offset_))
            yield dg.Output(file, metadata=described | metrics | {"score_histogram": histogram})
            yield checks.anomaly_rate_in_band(metrics["anomaly_rate"], config.min_anomaly_rate, config.max_anomaly_rate)

    return evaluation
