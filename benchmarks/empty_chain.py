"""Run a Dagster job of four daily-partitioned assets that do nothing, in the way that the product runs its job."""

import logging
import sys

import dagster as dg

DAYS = dg.DailyPartitionsDefinition(start_date="2025-01-01", timezone="UTC")


@dg.asset(key=["raw", "network_events"], partitions_def=DAYS)
def raw() -> int:
    """Return a number."""
    return 0


@dg.asset(key=["silver", "network_events"], ins={"raw": dg.AssetIn(["raw", "network_events"])}, partitions_def=DAYS)
def silver(raw: int) -> int:
    """Return a number."""
    return raw


@dg.asset(
    key=["gold", "isolation_forest"], ins={"silver": dg.AssetIn(["silver", "network_events"])}, partitions_def=DAYS
)
def model(silver: int) -> int:
    """Return a number."""
    return silver


@dg.asset(
    key=["gold", "evaluation"],
    ins={"model": dg.AssetIn(["gold", "isolation_forest"]), "silver": dg.AssetIn(["silver", "network_events"])},
    partitions_def=DAYS,
)
def evaluation(model: int, silver: int) -> int:
    """Return a number."""
    return model + silver


@dg.logger(config_schema={})
def quiet(context: dg.InitLoggerContext) -> logging.Logger:
    """Return a logger that drops all messages, as the product's logger does."""
    return logging.Logger(context.run_id or "quiet", logging.CRITICAL)  # noqa: LOG001 - only this run uses it


def main(day: str) -> None:
    """Run the job for a day."""
    definitions = dg.Definitions(
        assets=[raw, silver, model, evaluation],
        jobs=[dg.define_asset_job("daily_training", dg.AssetSelection.all())],
        executor=dg.in_process_executor,
        loggers={"quiet": quiet},
    )
    with dg.DagsterInstance.get() as instance:
        definitions.resolve_job_def("daily_training").execute_in_process(
            run_config={"loggers": {"quiet": {}}}, partition_key=day, instance=instance
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
