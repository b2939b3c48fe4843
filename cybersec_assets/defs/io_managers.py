"""What a phase makes becomes an object that the audit names, and what a phase reads is such an object.

    handle_output: value → scratch file → object (created if absent, read back) → SUCCESS
    load_input:    the audit's SUCCESS → scratch copy, or fetched and checked → value

Both work within the phase of the asset that is being made, so that an error in either makes a FAILED row.
"""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from cybersec_assets import phases
from cybersec_assets.artifact import Artifact, fingerprint_of, fingerprint_of_chunks
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.queries import Record
from cybersec_assets.defs.resources.audit import AuditResource
from cybersec_assets.defs.resources.scratch import ScratchResource
from cybersec_assets.errors import ObjectChangedError, ObjectMissingError
from cybersec_assets.failpoints import Point, hit
from cybersec_assets.stores.base import Kind, changed, fetch_object, store_file

LINEAGE_OF = "lineage_of"
"""Metadata of an asset's input: read the object from which this other asset's object was made."""

KINDS = {phase.asset: Kind(phase.bucket, phase.stem, phase.suffix) for phase in phases.ALL}
"""The kind of each asset's objects."""


class AuditedIOManager(dg.IOManager):
    """Store and load objects that the audit names. Subclasses define what is in them."""

    def __init__(self, audit: AuditResource, scratch: ScratchResource) -> None:
        self.audit = audit
        self.store = audit.store
        self.scratch = scratch

    @abstractmethod
    def write(self, value: Any, file: Path) -> Path:
        """Write a value to a file, or return the file that already has it."""

    @abstractmethod
    def read(self, file: Path, record: Record) -> Any:
        """Return the value in a file that matches the record."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Store what an asset made, and end its phase as SUCCESS after the object was read back."""
        asset = context.asset_key.to_user_string()
        kind = KINDS[asset]
        hit(Point.BODY_DONE)
        with self.audit.phase(asset, context.partition_key) as phase:
            file = self.write(obj, self.scratch.new_file(kind.stem + kind.suffix))
            hit(Point.SCRATCH_WRITTEN)
            artifact = store_file(self.store.open(), self.store.bucket_prefix, kind, file)
            file.replace(self.scratch.path_of(artifact))
            self.audit.succeed(phase, artifact)
        context.add_output_metadata(_metadata(artifact, phase))

    def load_input(self, context: dg.InputContext) -> Any:
        """Load the object that the audit names for this run and partition and, if the input says so, one lineage."""
        upstream = context.asset_key.to_user_string()
        reader = next(phase.asset for phase in phases.ALL if phase.op == context.op_def.name)
        with self.audit.phase(reader, context.asset_partition_key) as phase:
            record = self.audit.find_input(phase, upstream, context.definition_metadata.get(LINEAGE_OF))
            phase.read(upstream, record.artifact)
            with _row_in_errors(record):
                file = self._copy_of(record.artifact)
                hit(Point.INPUT_VERIFIED)
                return self.read(file, record)

    def _copy_of(self, artifact: Artifact) -> Path:
        """Return the run's own copy if it is intact, or fetch one."""
        copy = self.scratch.path_of(artifact)
        if not copy.exists() or fingerprint_of(copy) != artifact.fingerprint:
            fetch_object(self.store.open(), artifact, copy)
        return copy


class ParquetIOManager(AuditedIOManager):
    """Tables: an asset returns a LazyFrame or a Parquet file in scratch, and readers get a LazyFrame."""

    def write(self, value: pl.LazyFrame | Path, file: Path) -> Path:
        """Stream a lazy table to a file."""
        if isinstance(value, Path):
            return value
        value.sink_parquet(file)
        return file

    def read(self, file: Path, record: Record) -> pl.LazyFrame:  # noqa: ARG002 - the base's signature
        """Scan the file; nothing is read yet."""
        return pl.scan_parquet(file)


class ModelIOManager(AuditedIOManager):
    """Fitted scikit-learn pipelines, as pickles."""

    def write(self, value: Any, file: Path) -> Path:
        """Pickle the model."""
        from cybersec_assets.model.serialization import save

        save(value, file)
        return file

    def read(self, file: Path, record: Record) -> Any:
        """Unpickle the model. The bytes are read once, so that those that are loaded are those that were checked."""
        from cybersec_assets.model.serialization import load, require_compatible

        content = file.read_bytes()
        found = fingerprint_of_chunks([content])
        if found != record.artifact.fingerprint:
            raise changed(record.artifact, found)
        require_compatible(record.details)
        return load(content, record.details["features"])


@contextmanager
def _row_in_errors(record: Record) -> Iterator[None]:
    """Add the audit's row to an error about its object."""
    try:
        yield
    except (ObjectChangedError, ObjectMissingError) as error:
        raise type(error)(f"{error.problem} ({record.row})", error.remedy) from None


def _metadata(artifact: Artifact, phase: Phase) -> dict[str, Any]:
    return {
        "dagster/uri": artifact.uri,
        "size": dg.MetadataValue.int(artifact.fingerprint.size),
        "sha256": artifact.fingerprint.sha256,
        "duration": dg.MetadataValue.float(round(phase.seconds(), 3)),
    }
