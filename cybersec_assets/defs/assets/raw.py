"""The raw layer: the day's flows as received, in one schema."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from cybersec_assets import phases
from cybersec_assets.artifact import Artifact
from cybersec_assets.defs import checks
from cybersec_assets.defs.assets.metadata import describe_table, to_markdown, volume_per_hour
from cybersec_assets.defs.assets.past_days import RAW_KEY, past_days_evaluation
from cybersec_assets.defs.partitions import day_of
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.flow_source import FlowSourceResource
from cybersec_assets.defs.resources.launch import shares
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.defs.resources.scratch import ScratchResource
from cybersec_assets.errors import quoted
from cybersec_assets.flows.day import Day
from cybersec_assets.flows.ingest import Ingested, ingest, require_flows, require_share
from cybersec_assets.flows.plan import DayLogs
from cybersec_assets.flows.quality import all_hold, parse_result, raw_results, require
from cybersec_assets.flows.quarantine import write_quarantine
from cybersec_assets.flows.readers import AUTO
from cybersec_assets.flows.source import SYNTHETIC
from cybersec_assets.flows.staging import StagedLog
from cybersec_assets.stores.base import Kind, store_file

QUARANTINED = Kind(phases.RAW.bucket, "network_events_rejected", ".parquet")
"""The objects that have damaged lines."""
PREVIEWED = ["timestamp", "src_ip", "src_port", "dst_ip", "dst_port", "protocol", "bytes", "duration"]
MOST_FILES = 100
"""How many files and notes the metadata lists."""
MOST_LABELS = 4
"""How many unknown labels the warning lists."""


class RawConfig(dg.Config):
    """The limits of a day of logs."""

    max_outside_day: float = Field(0.2, ge=0, le=1, description="Share of timestamps outside the partition's day.")
    max_rejected_share: float = Field(0.01, ge=0, le=1, description="Share of lines that do not parse.")


def raw_asset(partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """Define `raw/network_events`."""
    zone = ZoneInfo(partitions.timezone)

    @dg.asset(
        key=RAW_KEY,
        group_name="raw",
        partitions_def=partitions,
        io_manager_key="parquet_io_manager",
        config_schema=shares(RawConfig),
        check_specs=checks.specs(RAW_KEY, checks.RAW_RULES, blocking=True),
        kinds={"polars", "parquet"},
    )
    def network_events(
        context: dg.AssetExecutionContext,
        audit: dg.ResourceParam[AuditResource],
        flow_source: dg.ResourceParam[FlowSourceResource],
        store: dg.ResourceParam[ObjectStoreResource],
        scratch: dg.ResourceParam[ScratchResource],
    ) -> Iterator[Any]:
        """Read the day's logs into one schema, quarantine damaged lines, and reject a day that breaks a rule."""
        config = RawConfig(**context.op_execution_context.op_config)
        with audit.phase(phases.RAW.asset, context.partition_key) as phase:
            day = day_of(context.partition_key)
            flows = scratch.new_file("raw.parquet")
            rejected = scratch.new_file("rejected.parquet")
            source = replace(flow_source.source(), zone=zone)
            logs = source.logs_of(day, scratch.new_file("logs"))
            for note in _notes(logs.files):
                context.log.warning(note)
            phase.inputs += [_file(log) | source.reading() for log in logs.files] or [{"file": SYNTHETIC}]
            ingested = ingest(logs, flows, rejected)
            phase.facts |= {"lines": _lines(ingested)}
            if warning := _label_warning(ingested):
                context.log.warning(warning)
            if ingested.rejected:
                quarantine = store_rejected(rejected, logs, store, scratch)
                phase.facts |= {"rejected": _rejected(ingested, quarantine)}
            rules = raw_results(flows, Day(day, zone), config.max_outside_day)
            rules.append(parse_result(ingested.rejected_share, config.max_rejected_share))
            if not all_hold(rules):
                yield from checks.evaluations(RAW_KEY, rules)
                # Dagster skips the check's own step once this one has failed.
                yield past_days_evaluation(audit, flow_source)
            given_format = None if source.fmt == AUTO else source.fmt
            require_share(ingested, config.max_rejected_share, given_format)
            require_flows(ingested)
            require(rules, f"{phases.RAW.asset} of {day}")
            phase.facts |= {"records": ingested.rows}
            yield dg.Output(flows, metadata=_metadata(flows, logs.files, ingested, phase.facts.get("rejected")))
            yield from checks.results(rules)

    return network_events


def store_rejected(rejected: Path, logs: DayLogs, store: ObjectStoreResource, scratch: ScratchResource) -> Artifact:
    """Store damaged records with their lines as an object in the raw layer's bucket.

    The object is stored before the phase ends, also if the phase fails.

    Args:
        rejected: Parquet with the columns of ORIGIN.
        logs: The logs that the records came from.
        store: The store of the object.
        scratch: The folder in which the object is written.

    Raises:
        StoreError: The store refuses the object.
    """
    file = scratch.new_file("quarantine.parquet")
    write_quarantine(rejected, logs, file)
    return store_file(store.open(), store.bucket_prefix, QUARANTINED, file)


def _file(log: StagedLog) -> dict[str, object]:
    """Return a log's name, and its bytes' size and hash."""
    found = log.fingerprint
    return {"file": log.name, "size": found.size, "mtime": log.modified.isoformat(), "sha256": found.sha256}


def _notes(logs: Sequence[StagedLog]) -> list[str]:
    """Return the readers' remarks about the files."""
    return [note for log in logs for note in log.notes][:MOST_FILES]


def _rejected(ingested: Ingested, quarantine: Artifact) -> dict[str, object]:
    """Return the number of damaged lines, and the object that has them."""
    found = quarantine.fingerprint
    kept = {"uri": quarantine.uri, "size": found.size, "sha256": found.sha256}
    return {"lines": ingested.rejected, "share": ingested.rejected_share, **kept}


def _lines(ingested: Ingested) -> dict[str, object]:
    """Return how many lines were read, kept, quarantined and skipped."""
    others = dict(ingested.others)
    return {"read": ingested.lines, "kept": ingested.kept, "quarantined": ingested.rejected, "other": others}


def _label_warning(ingested: Ingested) -> str | None:
    """Return the warning about unknown labels; None if there are none."""
    if not ingested.unlabelled:
        return None
    shown = list(ingested.unknown_labels.items())[:MOST_LABELS]
    listed = ", ".join(f"{quoted(label)} ({flows:,})" for label, flows in shown)
    more = ", …" if len(ingested.unknown_labels) > MOST_LABELS else ""
    return f"{ingested.unlabelled:,} flows have labels with unknown words and count as unlabelled: {listed}{more}"


def _labels(ingested: Ingested) -> dict[str, Any]:
    """Return the metadata about unknown labels, if there are any."""
    if not ingested.unlabelled:
        return {}
    counts = {quoted(label): flows for label, flows in ingested.unknown_labels.items()}
    warning = _label_warning(ingested)
    return {"unlabelled_flows": ingested.unlabelled, "unknown_labels": counts, "label_warning": warning}


def _metadata(kept: Path, logs: Sequence[StagedLog], ingested: Ingested, rejected: object) -> dict[str, Any]:
    examples = dg.MetadataValue.md(to_markdown(ingested.examples))
    damaged = {"rejected_examples": examples, "quarantine": rejected} if rejected else {}
    notes = _notes(logs)
    return {
        **describe_table(kept, PREVIEWED),
        "volume_per_hour": volume_per_hour(kept),
        "source_files": [log.name for log in logs[:MOST_FILES]] or [SYNTHETIC],
        "source_file_count": len(logs),
        "rejected_lines": ingested.rejected,
        "rejected_share": ingested.rejected_share,
        "lines": _lines(ingested),
        **damaged,
        **_labels(ingested),
        **({"source_notes": notes} if notes else {}),
    }
