"""Negative controls: each check of the crash tests finds the fault that it looks for."""

from dataclasses import replace
from signal import SIGKILL

import pytest

from cybersec_assets.failpoints import Point
from cybersec_assets.phases import RAW
from cybersec_assets_tests.support.crash.kill_rounds import assert_killed_as_ordered
from cybersec_assets_tests.support.crash.orders import Scenario, order
from cybersec_assets_tests.support.crash.readers import ReadResult, read_newest, reader_faults
from cybersec_assets_tests.support.crash.stored_state import Fault, open_phases
from cybersec_assets_tests.support.servers.workbench import s3_client

SECOND_END = """
DROP INDEX audit_journal_once;
INSERT INTO audit_journal
SELECT 1000, at, 'FAILED', run_id, asset_key, partition_key, attempt, body, 'another', hash FROM audit_journal
WHERE kind = 'SUCCESS' LIMIT 1
"""
ROW_WITHOUT_ENTRY = """
INSERT INTO ingestion_events (nombre_archivo, ruta_minio, num_registros, estado, run_id, partition_key, attempt,
    started_at, journal_seq)
VALUES ('', '', 0, 'FAILED', 'nobody', '2026-01-02', 1, now(), 2000)
"""
DELETED_SUCCESS = """
ALTER TABLE audit_journal DISABLE TRIGGER ALL;
DELETE FROM audit_journal WHERE kind = 'SUCCESS'
"""


def killed_at(rounds, point, scenario=Scenario.IO_MANAGERS):
    """Kill a worker the first time it passes a point."""
    result = rounds.workers.run(order(scenario, signal=SIGKILL, point=point))
    assert_killed_as_ordered(result)
    return result


def faults_after(rounds, *statements, results=()):
    """Execute SQL as the owner of the database, and return the kinds of faults that are found."""
    with rounds.bench.superuser(rounds.bench.database) as cursor:
        for statement in statements:
            cursor.execute(statement)
    return {kind for kind, _ in rounds.reader.faults(rounds.reader.read_state(), results)}


def test_a_success_before_the_upload_is_detected(rounds):
    result = killed_at(rounds, Point.SUCCESS_COMMITTED, Scenario.SUCCESS_FIRST)
    assert faults_after(rounds, results=[result]) == {Fault.NO_OBJECT}


def test_a_forged_journal_is_detected(rounds):
    """The forgeries are a row without an entry, a second end, and a SUCCESS that is missing or was never sent."""
    complete = rounds.run_to_end(Scenario.IO_MANAGERS)
    assert faults_after(rounds, results=[complete]) == set()
    silent = replace(complete, passed=[Point.SUCCESS_SENT])
    assert faults_after(rounds, results=[silent]) == {Fault.INVENTED}
    assert faults_after(rounds, ROW_WITHOUT_ENTRY) == {Fault.ROW}
    assert Fault.DOUBLED in faults_after(rounds, SECOND_END)
    assert Fault.LOST in faults_after(rounds, DELETED_SUCCESS, results=[complete])


def test_a_truncated_object_is_detected(rounds):
    """The project's own reader refuses it, too."""
    day = rounds.run_to_end(Scenario.IO_MANAGERS).order.day
    row = next(row for row in rounds.reader.read_state().successes() if row.asset == RAW.asset)
    bucket, _, name = row.uri.removeprefix("s3://").partition("/")
    half = rounds.reader.download(row.uri)[: row.size // 2]
    s3_client(rounds.bench.minio).put_object(Bucket=bucket, Key=name, Body=half)
    assert faults_after(rounds) == {Fault.OTHER_OBJECT}
    assert rounds.reader_faults(rounds.reader.read_state(), [day]) == [(Fault.READER, (RAW.asset, day, "nothing"))]


def test_a_reader_of_the_newest_object_is_detected(rounds):
    """After a kill before SUCCESS, the newest object is one that was never audited."""
    result = killed_at(rounds, Point.READ_BACK)
    state = rounds.reader.read_state()
    got = read_newest(rounds.reader, RAW.asset)
    assert reader_faults(rounds.reader, state, state, RAW.asset, result.order.day, got)
    rounds.assert_no_faults([result])


def test_a_reader_of_half_a_table_is_detected(rounds):
    day = rounds.run_to_end(Scenario.IO_MANAGERS).order.day
    state = rounds.reader.read_state()
    got = read_newest(rounds.reader, RAW.asset)
    assert not reader_faults(rounds.reader, state, state, RAW.asset, day, got)
    assert reader_faults(rounds.reader, state, state, RAW.asset, day, ReadResult(got.uri, got.table.head(9)))


def test_a_phase_without_an_end_is_detected(rounds):
    rounds.results.append(killed_at(rounds, Point.STARTED_COMMITTED))
    assert [kind for kind, _ in open_phases(rounds.reader.read_state())] == [Fault.OPEN]
    rounds.assert_reconciles()
    assert open_phases(rounds.reader.read_state()) == []


def test_a_worker_that_was_not_killed_fails_the_test(rounds):
    """The worker never passes the point that it was to be killed at."""
    never = order(Scenario.SCHEMA, signal=SIGKILL, point=Point.EVENT_WRITTEN)
    with pytest.raises(AssertionError, match="ended with 0"):
        rounds.kill([never])
