"""The silver layer: the day's flows cleaned, with the columns that analysts and the model use."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from cybersec_assets import phases
from cybersec_assets.defs import checks
from cybersec_assets.defs.assets.metadata import describe_table
from cybersec_assets.defs.assets.past_days import RAW_KEY
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.scratch import ScratchResource
from cybersec_assets.features import add_features
from cybersec_assets.flows.clean import REPEATED, clean, count_repeats
from cybersec_assets.flows.quality import all_hold, require, silver_results

SILVER_KEY = dg.AssetKey.from_user_string(phases.SILVER.asset)
PREVIEWED = ["timestamp", "src_ip", "dst_ip", "bytes", "duration", "bytes_per_second", "flow_size_category"]


def silver_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Define `silver/network_events`."""

    @dg.asset(
        key=SILVER_KEY,
        ins={"raw": dg.AssetIn(RAW_KEY)},
        group_name="silver",
        partitions_def=partitions,
        io_manager_key="parquet_io_manager",
        config_schema={},
        check_specs=checks.specs(SILVER_KEY, checks.SILVER_RULES, blocking=True),
        kinds={"polars", "parquet"},
    )
    def network_events(
        context: dg.AssetExecutionContext,
        raw: pl.LazyFrame,
        audit: dg.ResourceParam[AuditResource],
        scratch: dg.ResourceParam[ScratchResource],
    ) -> Iterator[Any]:
        """Clean the raw flows, add the model's columns, and account for every row."""
        with audit.phase(phases.SILVER.asset, context.partition_key) as phase:
            repeats = count_repeats(raw)
            file = scratch.new_file("silver.parquet")
            add_features(clean(raw, repeats)).sink_parquet(file)
            described = describe_table(file, PREVIEWED)
            dropped = {REPEATED: repeats}
            rows = described["dagster/partition_row_count"]
            findings = silver_results(raw.select(pl.len()).collect().item(), rows, dropped)
            if not all_hold(findings):
                yield from checks.evaluations(SILVER_KEY, findings)
            require(findings, f"{phases.SILVER.asset} of {context.partition_key}")
            phase.facts |= {"records": rows}
            yield dg.Output(file, metadata=described | {"dropped": dropped})
            yield from checks.results(findings)

    return network_events
