"""A phase is recorded once, with its facts."""

import datetime as dt

import pytest
import sqlalchemy as sa

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.audit.journal.journal import ABANDONED, FAILED, STARTED, SUCCESS, Journal
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.tables import PHASES, audit_journal
from cybersec_assets.errors import AuditError, PhaseTakenError
from cybersec_assets.phases import EVALUATION, MODEL, RAW, SILVER
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.audit.phases import LOCKS, facts_of, fail, start, succeed

OBJECT = Artifact("s3://cybersec-ml-raw/network_events_20260103_020000.parquet", Fingerprint(12, "ab" * 32))

REJECTED = {"lines": 3, "share": 0.0123, "uri": "s3://cybersec-ml-raw/x.parquet", "sha256": "cd" * 32, "size": 9}


def read(database, table):
    """Return a table's rows in the order of its first column."""
    query = sa.select(table).order_by(table.columns[0])
    return database.transaction(lambda connection: [dict(row) for row in connection.execute(query).mappings()])


def rows_of(database, asset):
    """Return the rows of an asset's table."""
    return read(database, PHASES[asset].table)


def kinds(database):
    """Return the kinds of the journal's entries, in order."""
    return [entry["kind"] for entry in read(database, audit_journal)]


def test_a_success_row_has_the_object_and_the_facts(database, journal):
    phase = start(journal, RAW.asset)
    phase.facts["records"] = 7
    journal.succeed(phase, OBJECT)
    (row,) = rows_of(database, RAW.asset)
    assert (row["estado"], row["ruta_minio"], row["nombre_archivo"]) == ("SUCCESS", OBJECT.uri, OBJECT.name)
    assert (row["num_registros"], row["sha256"], row["size_bytes"]) == (7, "ab" * 32, 12)
    assert (row["run_id"], row["partition_key"], row["attempt"], row["error"]) == ("run-1", DAY, 1, None)


@pytest.mark.parametrize("asset", PHASES)
def test_a_failed_row_has_empty_facts_and_the_errors_first_line(database, journal, asset):
    phase = start(journal, asset)
    phase.facts["records"] = 7
    journal.fail(phase, ValueError("first line\nsecond line"))
    (row,) = rows_of(database, asset)
    assert (row["estado"], row[PHASES[asset].path], row["error"]) == ("FAILED", "", "first line")
    assert {name: row[name] for name in PHASES[asset].empty} == PHASES[asset].empty


@pytest.mark.parametrize("ends", [Journal.fail, Journal.succeed])
def test_rejected_lines_are_recorded_in_any_row(database, journal, ends):
    """They are the only fact of a FAILED row."""
    phase = start(journal, RAW.asset)
    phase.facts |= {"records": 7, "rejected": REJECTED}
    ends(journal, phase, OBJECT if ends is Journal.succeed else ValueError("it broke"))
    (row,) = rows_of(database, RAW.asset)
    assert row["rejected"] == REJECTED
    assert (row["ruta_minio"], row["num_registros"]) == ((OBJECT.uri, 7) if ends is Journal.succeed else ("", 0))


def test_rejected_is_null_where_no_line_was_rejected(database, journal):
    succeed(journal, RAW.asset, "raw-1")
    fail(journal, RAW.asset)
    journal.abandon(start(journal, RAW.asset), "nobody was left")
    query = sa.text("SELECT count(*) FROM ingestion_events WHERE rejected IS NULL")
    assert database.statement(lambda connection: connection.execute(query).scalar()) == 3


@pytest.mark.parametrize("asset", PHASES)
def test_an_abandoned_phase_has_a_failed_row_with_the_reason(database, journal, asset):
    phase = start(journal, asset)
    journal.abandon(phase, "nobody was left")
    (row,) = rows_of(database, asset)
    assert (row["estado"], row[PHASES[asset].path], row["error"]) == ("FAILED", "", "nobody was left")
    assert kinds(database) == [STARTED, ABANDONED]


def test_every_row_has_code_version_and_libraries(database):
    journal = Journal(database, {"code_version": "1+ab", "libraries": {"numpy": "2"}})
    succeed(journal, RAW.asset, "raw-1")
    fail(journal, RAW.asset)
    assert [(row["code_version"], row["libraries"]) for row in rows_of(database, RAW.asset)] == [
        ("1+ab", {"numpy": "2"})
    ] * 2


def test_times_are_utc_by_the_databases_clock(database, journal):
    journal.fail(start(journal, MODEL.asset), ValueError())
    (row,) = rows_of(database, MODEL.asset)
    started, ended = read(database, audit_journal)
    assert (row["started_at"], row["timestamp_entrenamiento"]) == (started["at"], ended["at"])
    assert row["started_at"] <= row["timestamp_entrenamiento"]
    assert abs(dt.datetime.now(dt.UTC).replace(tzinfo=None) - row["started_at"]) < dt.timedelta(minutes=1)
    assert row["error"] == "ValueError"


def test_attempts_count_within_run_and_day(journal):
    fail(journal, RAW.asset)
    assert start(journal, RAW.asset).attempt == 2
    assert start(journal, RAW.asset, run_id="run-2").attempt == 1
    assert start(journal, RAW.asset, "2026-01-03").attempt == 1


def test_a_phase_ends_once(database, journal):
    phase = start(journal, RAW.asset)
    journal.fail(phase, ValueError("x"))
    phase.facts["records"] = 1
    with pytest.raises(PhaseTakenError, match="duplicate key"):
        journal.succeed(phase, OBJECT)
    assert [row["estado"] for row in rows_of(database, RAW.asset)] == ["FAILED"]
    assert kinds(database) == [STARTED, FAILED]


def test_a_repeated_start_or_end_adds_nothing(database, journal):
    """It returns the first entry."""
    lock = next(LOCKS)
    phase = journal.start("run-1", RAW.asset, DAY, lock)
    assert journal.start("run-1", RAW.asset, DAY, lock).attempt == phase.attempt == 1
    phase.facts |= facts_of(RAW.asset)
    assert journal.succeed(phase, OBJECT) == journal.succeed(phase, OBJECT) == journal.tail()
    assert kinds(database) == [STARTED, SUCCESS]
    assert len(rows_of(database, RAW.asset)) == 1


def test_a_phase_ends_only_with_its_own_lock(database, journal):
    phase = start(journal, RAW.asset)
    stranger = Phase(RAW.asset, DAY, "run-1", phase.attempt, next(LOCKS))
    nobody = Phase(RAW.asset, DAY, "run-2", 1, phase.lock)
    for pretender in (stranger, nobody):
        with pytest.raises(AuditError, match="no phase of raw/network_events"):
            journal.fail(pretender, ValueError("x"))
    assert rows_of(database, RAW.asset) == []
    assert journal.fail(phase, ValueError("x")).seq == 2


def test_success_requires_all_facts(database, journal):
    phase = start(journal, EVALUATION.asset)
    phase.facts["metrics"] = {"flows": 3}
    with pytest.raises(AuditError, match="recorded no dataset, model"):
        journal.succeed(phase, OBJECT)
    assert rows_of(database, EVALUATION.asset) == []


def test_an_input_is_recorded_once():
    phase = Phase(SILVER.asset, DAY, "run-1", attempt=1, lock=1)
    phase.read(RAW.asset, OBJECT)
    phase.read(RAW.asset, OBJECT)
    assert phase.inputs == [{"asset": RAW.asset, "uri": OBJECT.uri, "sha256": "ab" * 32, "size": 12}]
    assert phase.input_name(RAW.asset) == OBJECT.name


def test_an_empty_journal_has_no_tail(database, journal):
    assert journal.tail() is None
    last = fail(journal, RAW.asset)
    assert journal.tail() == last
    assert last.hash == read(database, audit_journal)[-1]["hash"]
