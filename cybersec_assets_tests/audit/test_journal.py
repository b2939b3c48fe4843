"""A phase is written down once, with what is known of it."""

import datetime as dt

import pytest
import sqlalchemy as sa

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.audit.journal import Journal
from cybersec_assets.audit.tables import EVALUATION, MODEL, PHASES, RAW, SILVER
from cybersec_assets.errors import AuditError
from cybersec_assets_tests.conftest import DAY

OBJECT = Artifact("s3://cybersec-ml-raw/network_events_20260103_020000.parquet", Fingerprint(12, "ab" * 32))


def rows_of(engine, asset):
    """Read an asset's table."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(PHASES[asset].table)).mappings()]


def test_success_names_the_object_and_its_bytes(engine, journal):
    """A SUCCESS row has the object's name, URI, size and hash, and what the phase noted."""
    phase = journal.open(RAW, DAY)
    phase.facts["num_registros"] = 7
    journal.succeed(phase, OBJECT)
    (row,) = rows_of(engine, RAW)
    assert (row["estado"], row["ruta_minio"], row["nombre_archivo"]) == ("SUCCESS", OBJECT.uri, OBJECT.name)
    assert (row["num_registros"], row["sha256"], row["size_bytes"]) == (7, "ab" * 32, 12)
    assert (row["run_id"], row["partition_key"], row["attempt"], row["error"]) == ("run-1", DAY, 1, None)


@pytest.mark.parametrize("asset", PHASES)
def test_failure_has_empty_facts_and_the_first_line(engine, journal, asset):
    """A FAILED row has no path and no counts, whatever the phase noted, and the error's first line."""
    phase = journal.open(asset, DAY)
    phase.facts["num_registros"] = 7
    journal.fail(phase, ValueError("first line\nsecond line"))
    (row,) = rows_of(engine, asset)
    assert (row["estado"], row[PHASES[asset].path], row["error"]) == ("FAILED", "", "first line")
    assert {name: row[name] for name in PHASES[asset].empty} == PHASES[asset].empty


def test_times_are_utc_by_the_database(engine, journal):
    """A row's time is UTC and not before the phase's start, both by the database's clock."""
    phase = journal.open(MODEL, DAY)
    journal.fail(phase, ValueError())
    (row,) = rows_of(engine, MODEL)
    assert phase.started_at <= row["timestamp_entrenamiento"]
    assert abs(dt.datetime.now(dt.UTC).replace(tzinfo=None) - phase.started_at) < dt.timedelta(minutes=1)
    assert row["error"] == "ValueError"


def test_a_second_try_in_a_run_is_the_next_attempt(engine, journal):
    """Attempts count up within run and day, and each has its own row."""
    journal.fail(journal.open(RAW, DAY), ValueError("x"))
    assert journal.open(RAW, DAY).attempt == 2
    assert Journal(engine, "run-2").open(RAW, DAY).attempt == 1
    assert journal.open(RAW, "2026-01-03").attempt == 1


def test_a_phase_ends_once(journal):
    """A second result for the same attempt is refused by the database."""
    phase = journal.open(RAW, DAY)
    twin = journal.open(RAW, DAY)
    journal.fail(phase, ValueError("x"))
    twin.facts["num_registros"] = 1
    with pytest.raises(AuditError, match="duplicate key"):
        journal.succeed(twin, OBJECT)


def test_success_without_a_fact_is_refused(engine, journal):
    """A phase that did not note what its table asks for gets no SUCCESS with a made-up value."""
    phase = journal.open(EVALUATION, DAY)
    phase.facts["metrics"] = {"flows": 3}
    with pytest.raises(AuditError, match="noted no modelo_nombre, nombre_dataset"):
        journal.succeed(phase, OBJECT)
    assert rows_of(engine, EVALUATION) == []


def test_what_was_read_is_noted_once(journal):
    """An input that is loaded twice stands once among the phase's inputs, and is found by its asset."""
    phase = journal.open(SILVER, DAY)
    phase.read(RAW, OBJECT)
    phase.read(RAW, OBJECT)
    assert phase.inputs == [{"asset": RAW, "uri": OBJECT.uri, "sha256": "ab" * 32, "size": 12}]
    assert phase.input_name(RAW) == OBJECT.name
