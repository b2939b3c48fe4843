"""What the crash tests look for is found where it is made: each check is seen to fail."""

from dataclasses import replace
from signal import SIGKILL

import pytest

from cybersec_assets.failpoints import Point
from cybersec_assets.phases import RAW
from cybersec_assets_tests.support.crash.evidence import Wrong, unended
from cybersec_assets_tests.support.crash.kill_rounds import assert_died_as_ordered
from cybersec_assets_tests.support.crash.orders import Way, order
from cybersec_assets_tests.support.crash.readers import Got, read_the_newest, reader_faults
from cybersec_assets_tests.support.servers.workbench import s3_client

SECOND_END = """
DROP INDEX audit_journal_once;
INSERT INTO audit_journal
SELECT 1000, at, 'FAILED', run_id, asset_key, partition_key, attempt, body, 'another', hash FROM audit_journal
WHERE kind = 'SUCCESS' LIMIT 1
"""
ROW_OF_ITS_OWN = """
INSERT INTO ingestion_events (nombre_archivo, ruta_minio, num_registros, estado, run_id, partition_key, attempt,
    started_at, journal_seq)
VALUES ('', '', 0, 'FAILED', 'nobody', '2026-01-02', 1, now(), 2000)
"""
LOSS = """
ALTER TABLE audit_journal DISABLE TRIGGER ALL;
DELETE FROM audit_journal WHERE kind = 'SUCCESS'
"""


def killed_at(siege, point, way=Way.DRIVEN):
    """Kill a worker at its first pass of a point."""
    death = siege.executioner.carry_out(order(way, signal=SIGKILL, point=point))
    assert_died_as_ordered(death)
    return death


def wrong_after(siege, *statements, deaths=()):
    """Execute SQL as the database's owner, and give the kinds of faults that are found."""
    with siege.bench.superuser(siege.bench.database) as cursor:
        for statement in statements:
            cursor.execute(statement)
    return {kind for kind, _ in siege.detective.faults(siege.detective.gather(), deaths)}


def test_a_writer_that_says_success_before_it_uploads_is_found_out(siege):
    """A SUCCESS whose writer died before its upload is found as a SUCCESS without its object."""
    death = killed_at(siege, Point.SUCCESS_COMMITTED, Way.HASTY)
    assert wrong_after(siege, deaths=[death]) == {Wrong.NO_OBJECT}


def test_a_forged_journal_is_found_out(siege):
    """A row of its own, a second end and a SUCCESS that is gone or was never sent are each found."""
    rehearsed = siege.rehearse(Way.DRIVEN)
    assert wrong_after(siege, deaths=[rehearsed]) == set()
    silent = replace(rehearsed, passed=[Point.SUCCESS_SENT])
    assert wrong_after(siege, deaths=[silent]) == {Wrong.INVENTED}
    assert wrong_after(siege, ROW_OF_ITS_OWN) == {Wrong.ROW}
    assert Wrong.DOUBLED in wrong_after(siege, SECOND_END)
    assert Wrong.LOST in wrong_after(siege, LOSS, deaths=[rehearsed])


def test_a_half_written_object_is_found_out(siege):
    """An object of which only a part is there is found as another, and refused by the project's reader."""
    day = siege.rehearse(Way.DRIVEN).order.day
    row = next(row for row in siege.detective.gather().successes() if row.asset == RAW.asset)
    bucket, _, name = row.uri.removeprefix("s3://").partition("/")
    half = siege.detective.read(row.uri)[: row.size // 2]
    s3_client(siege.bench.minio).put_object(Bucket=bucket, Key=name, Body=half)
    assert wrong_after(siege) == {Wrong.OTHER_OBJECT}
    assert siege.reader_faults(siege.detective.gather(), [day]) == [(Wrong.READER, (RAW.asset, day, "nothing"))]


def test_a_reader_of_the_newest_object_is_found_out(siege):
    """Whoever reads the newest object by its name gets, after a death before SUCCESS, one that was never audited."""
    death = killed_at(siege, Point.READ_BACK)
    evidence, got = siege.detective.gather(), read_the_newest(siege.detective, RAW.asset)
    assert reader_faults(siege.detective, evidence, evidence, RAW.asset, death.order.day, got)
    siege.assert_sound([death])


def test_a_reader_of_half_a_table_is_found_out(siege):
    """A reader that names the audited object but holds only a part of it is found out."""
    day = siege.rehearse(Way.DRIVEN).order.day
    evidence, got = siege.detective.gather(), read_the_newest(siege.detective, RAW.asset)
    assert not reader_faults(siege.detective, evidence, evidence, RAW.asset, day, got)
    assert reader_faults(siege.detective, evidence, evidence, RAW.asset, day, Got(got.uri, got.table.head(9)))


def test_a_phase_without_its_end_is_found_out(siege):
    """A phase whose worker died is found open until somebody reconciles."""
    siege.deaths.append(killed_at(siege, Point.STARTED_COMMITTED))
    assert [kind for kind, _ in unended(siege.detective.gather())] == [Wrong.OPEN]
    siege.assert_ends_well()
    assert unended(siege.detective.gather()) == []


def test_a_worker_that_was_not_killed_is_found_out(siege):
    """A worker that never reached its point ends the test instead of passing for a kill."""
    never = order(Way.SCHEMA, signal=SIGKILL, point=Point.EVENT_WRITTEN)
    with pytest.raises(AssertionError, match="ended with 0"):
        siege.kill([never])
