"""Set secrets in the environment, and search for them in every place that a run writes to."""

import base64
import gzip
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cybersec_assets.audit.heads.keys import SIGNING_KEY
from cybersec_assets.definitions import audit_from
from cybersec_assets.settings import Settings

SECRETS = (
    "MINIO_SECRET_KEY",
    "FLOWS_S3_SECRET_KEY",
    "FLOWS_PSEUDONYM_KEY",
    "PG_PASSWORD",
    "PGPASSWORD",
    "PG_MIGRATION_PASSWORD",
    "DAGSTER_PG_PASSWORD",
    "AUDIT_SIGNING_KEY",
    "AWS_SECRET_ACCESS_KEY",
)


def canary_of(variable: str) -> str:
    """Return the secret of a variable: 32 bytes in base64, like a key."""
    return base64.b64encode(hashlib.sha256(variable.encode()).digest()).decode()


CANARIES = {variable: canary_of(variable) for variable in SECRETS}


def found_in(place: str, content: bytes, canaries: dict[str, str]) -> list[str]:
    """Return `place: variable` for each secret, or half of a truncated secret, in some bytes."""
    parts = {
        variable: (value[: len(value) // 2].encode(), value[len(value) // 2 :].rstrip("=").encode())
        for variable, value in canaries.items()
    }
    return [f"{place}: {variable}" for variable, halves in parts.items() if any(half in content for half in halves)]


def search(settings: Settings, dagster_home: Path, printed: str, canaries: dict[str, str]) -> list[str]:
    """Return the places with secrets: the output, Dagster's home, the stores, the audit and its metrics.

    Args:
        settings: The audit and the objects.
        dagster_home: Dagster's databases and compute logs.
        printed: The output on stdout and stderr.
        canaries: The secrets by variable.
    """
    places = [("printed", printed.encode()), *_files(dagster_home), *_files(settings.home)]
    places += [*_rows(settings), ("metrics", _metrics(settings))]
    return [each for place, content in places for each in found_in(place, content, canaries)]


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the content of every file, decompressed. The home's own signing key is not searched for."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file != folder / SIGNING_KEY:
            content = file.read_bytes()
            yield str(file), gzip.decompress(content) if file.suffix == ".gz" else content
            if file.suffix == ".parquet":
                # Parquet compresses its columns.
                import polars as pl

                yield f"{file} as rows", repr(pl.read_parquet(file).to_dicts()).encode()


def _rows(settings: Settings) -> Iterator[tuple[str, bytes]]:
    """Yield the rows of every table of the audit's database."""
    with audit_from(settings).session() as audit, audit.connect().engine.connect() as connection:
        tables: list[Any] = sa.inspect(connection).get_table_names(schema="public")
        for table in tables:
            rows = connection.execute(sa.text(f'SELECT t::text FROM public."{table}" t')).scalars()
            yield f"table {table}", "\n".join(rows).encode()


def _metrics(settings: Settings) -> bytes:
    """Return what Prometheus reads."""
    from contextlib import ExitStack

    from prometheus_client import generate_latest

    from cybersec_assets.operations.metrics_server import audit_registry

    with ExitStack() as stack:
        return generate_latest(audit_registry(settings, stack))


def plant(monkeypatch: Any) -> None:
    """Set every secret."""
    for variable, value in CANARIES.items():
        monkeypatch.setenv(variable, value)
    assert set(CANARIES) <= set(os.environ)
