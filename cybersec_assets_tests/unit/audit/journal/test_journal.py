"""A phase is written down once, with what is known of it."""

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
    """Read a table in the order of its first column."""
    query = sa.select(table).order_by(table.columns[0])
    return database.transaction(lambda connection: [dict(row) for row in connection.execute(query).mappings()])


def rows_of(database, asset):
    """Read an asset's table."""
    return read(database, PHASES[asset].table)


def kinds(database):
    """Give the kinds of the journal's entries, in order."""
    return [entry["kind"] for entry in read(database, audit_journal)]


def test_success_names_the_object_and_its_bytes(database, journal):
    """A SUCCESS row has the object's name, URI, size and hash, and what the phase noted."""
    phase = start(journal, RAW.asset)
    phase.facts["records"] = 7
    journal.succeed(phase, OBJECT)
    (row,) = rows_of(database, RAW.asset)
    assert (row["estado"], row["ruta_minio"], row["nombre_archivo"]) == ("SUCCESS", OBJECT.uri, OBJECT.name)
    assert (row["num_registros"], row["sha256"], row["size_bytes"]) == (7, "ab" * 32, 12)
    assert (row["run_id"], row["partition_key"], row["attempt"], row["error"]) == ("run-1", DAY, 1, None)


@pytest.mark.parametrize("asset", PHASES)
def test_failure_has_empty_facts_and_the_first_line(database, journal, asset):
    """A FAILED row has no path and no counts, whatever the phase noted, and the error's first line."""
    phase = start(journal, asset)
    phase.facts["records"] = 7
    journal.fail(phase, ValueError("first line\nsecond line"))
    (row,) = rows_of(database, asset)
    assert (row["estado"], row[PHASES[asset].path], row["error"]) == ("FAILED", "", "first line")
    assert {name: row[name] for name in PHASES[asset].empty} == PHASES[asset].empty


@pytest.mark.parametrize("ends", [Journal.fail, Journal.succeed])
def test_lines_that_were_set_aside_outlive_a_failure(database, journal, ends):
    """What a phase notes of rejected lines stands in its row whatever its end; a FAILED row is empty but for that."""
    phase = start(journal, RAW.asset)
    phase.facts |= {"records": 7, "rejected": REJECTED}
    ends(journal, phase, OBJECT if ends is Journal.succeed else ValueError("it broke"))
    (row,) = rows_of(database, RAW.asset)
    assert row["rejected"] == REJECTED
    assert (row["ruta_minio"], row["num_registros"]) == ((OBJECT.uri, 7) if ends is Journal.succeed else ("", 0))


def test_where_nothing_was_rejected_nothing_is_told(database, journal):
    """A row of a phase that set nothing aside has null, be it a success, a failure or abandoned."""
    succeed(journal, RAW.asset, "raw-1")
    fail(journal, RAW.asset)
    journal.abandon(start(journal, RAW.asset), "nobody was left")
    query = sa.text("SELECT count(*) FROM ingestion_events WHERE rejected IS NULL")
    assert database.statement(lambda connection: connection.execute(query).scalar()) == 3


@pytest.mark.parametrize("asset", PHASES)
def test_an_abandoned_phase_is_a_failed_one_that_says_why(database, journal, asset):
    """A phase that was ended from outside has a FAILED row like any other, while its entry tells the difference."""
    phase = start(journal, asset)
    journal.abandon(phase, "nobody was left")
    (row,) = rows_of(database, asset)
    assert (row["estado"], row[PHASES[asset].path], row["error"]) == ("FAILED", "", "nobody was left")
    assert kinds(database) == [STARTED, ABANDONED]


def test_every_row_tells_what_made_it(database):
    """Code version and libraries stand in every row, be it a success or a failure."""
    journal = Journal(database, {"code_version": "1+ab", "libraries": {"numpy": "2"}})
    succeed(journal, RAW.asset, "raw-1")
    fail(journal, RAW.asset)
    assert [(row["code_version"], row["libraries"]) for row in rows_of(database, RAW.asset)] == [
        ("1+ab", {"numpy": "2"})
    ] * 2


def test_times_are_utc_by_the_database(database, journal):
    """A row's time is UTC and not before the phase's start, both by the database's clock."""
    journal.fail(start(journal, MODEL.asset), ValueError())
    (row,), (started, ended) = rows_of(database, MODEL.asset), read(database, audit_journal)
    assert (row["started_at"], row["timestamp_entrenamiento"]) == (started["at"], ended["at"])
    assert row["started_at"] <= row["timestamp_entrenamiento"]
    assert abs(dt.datetime.now(dt.UTC).replace(tzinfo=None) - row["started_at"]) < dt.timedelta(minutes=1)
    assert row["error"] == "ValueError"


def test_a_second_try_in_a_run_is_the_next_attempt(journal):
    """Attempts count up within run and day, and each has its own row."""
    fail(journal, RAW.asset)
    assert start(journal, RAW.asset).attempt == 2
    assert start(journal, RAW.asset, run_id="run-2").attempt == 1
    assert start(journal, RAW.asset, "2026-01-03").attempt == 1


def test_a_phase_ends_once(database, journal):
    """A second result of another kind for the same attempt is refused by the database."""
    phase = start(journal, RAW.asset)
    journal.fail(phase, ValueError("x"))
    phase.facts["records"] = 1
    with pytest.raises(PhaseTakenError, match="duplicate key"):
        journal.succeed(phase, OBJECT)
    assert [row["estado"] for row in rows_of(database, RAW.asset)] == ["FAILED"]
    assert kinds(database) == [STARTED, FAILED]


def test_an_answer_that_was_missed_is_given_again(database, journal):
    """Whoever asks a second time for the same start and the same end gets the first answers, and nothing is added."""
    lock = next(LOCKS)
    phase = journal.start("run-1", RAW.asset, DAY, lock)
    assert journal.start("run-1", RAW.asset, DAY, lock).attempt == phase.attempt == 1
    phase.facts |= facts_of(RAW.asset)
    assert journal.succeed(phase, OBJECT) == journal.succeed(phase, OBJECT) == journal.tail()
    assert kinds(database) == [STARTED, SUCCESS]
    assert len(rows_of(database, RAW.asset)) == 1


def test_who_does_not_hold_the_phases_lock_cannot_end_it(database, journal):
    """An end with another lock, or of a phase that nobody started, is refused and leaves no row."""
    phase = start(journal, RAW.asset)
    stranger = Phase(RAW.asset, DAY, "run-1", phase.attempt, next(LOCKS))
    nobody = Phase(RAW.asset, DAY, "run-2", 1, phase.lock)
    for pretender in (stranger, nobody):
        with pytest.raises(AuditError, match="no phase of raw/network_events"):
            journal.fail(pretender, ValueError("x"))
    assert rows_of(database, RAW.asset) == []
    assert journal.fail(phase, ValueError("x")).seq == 2


def test_success_without_a_fact_is_refused(database, journal):
    """A phase that did not note what its table asks for gets no SUCCESS with a made-up value."""
    phase = start(journal, EVALUATION.asset)
    phase.facts["metrics"] = {"flows": 3}
    with pytest.raises(AuditError, match="recorded no dataset, model"):
        journal.succeed(phase, OBJECT)
    assert rows_of(database, EVALUATION.asset) == []


def test_what_was_read_is_noted_once():
    """An input that is loaded twice stands once among the phase's inputs, and is found by its asset."""
    phase = Phase(SILVER.asset, DAY, "run-1", attempt=1, lock=1)
    phase.read(RAW.asset, OBJECT)
    phase.read(RAW.asset, OBJECT)
    assert phase.inputs == [{"asset": RAW.asset, "uri": OBJECT.uri, "sha256": "ab" * 32, "size": 12}]
    assert phase.input_name(RAW.asset) == OBJECT.name


def test_an_empty_journal_has_no_tail(database, journal):
    """The tail is the newest entry's place and hash; where nothing was written there is none."""
    assert journal.tail() is None
    last = fail(journal, RAW.asset)
    assert journal.tail() == last
    assert last.hash == read(database, audit_journal)[-1]["hash"]
