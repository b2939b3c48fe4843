"""A check needs no more memory for a long history than for a short one, and yields a finding as soon as it is found."""

import tracemalloc

import pytest
import sqlalchemy as sa

from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.verify.history import PREFIX
from cybersec_assets_tests.support.verify.scene import admin
from cybersec_assets_tests.unit.audit.verify.conftest import server_of

SHORT = 10_000
LONG = 40_000
FILL = """
DO $$
DECLARE
    v_entry public.audit_journal;
BEGIN
    FOR n IN 1..{entries} LOOP
        v_entry := public.audit_next();
        v_entry.kind := CASE n % 2 WHEN 1 THEN 'STARTED' ELSE 'FAILED' END;
        v_entry.run_id := ((n + 1) / 2)::text;
        v_entry.asset_key := 'raw/network_events';
        v_entry.partition_key := '2026-01-02';
        v_entry.attempt := 1;
        PERFORM public.audit_chain(v_entry, n, CASE n % 2 WHEN 0 THEN public.audit_event(v_entry, v_entry.at,
            '{{"nombre_archivo": "", "ruta_minio": "", "num_registros": 0}}') END);
    END LOOP;
END $$
"""


@pytest.fixture
def long_history(postgres):
    """Return a function that makes a database with some entries; each is dropped at the end."""
    made = []

    def fill(entries):
        url = server_of(postgres, f"long_{entries}")
        database = connect(url)
        made.append(database)
        with database.engine.begin() as connection:
            # The time limit of the application is for one entry.
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execution_options(no_parameters=True).exec_driver_sql(FILL.format(entries=entries))
        return database.engine

    yield fill
    for database in made:
        database.close()
        admin(database.url, f"DROP DATABASE {database.url.database}")


def check_memory(engine, folder):
    """Check a history, and return the peak memory in bytes and the number of entries."""
    verifier = Verifier(engine, FolderStore(folder), PREFIX, [])
    tracemalloc.start()
    try:
        assert list(verifier.findings()) == []
        return tracemalloc.get_traced_memory()[1], verifier.counts.entries
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow(long_history, tmp_path):
    short_peak, short_entries = check_memory(long_history(SHORT), tmp_path)
    long_peak, long_entries = check_memory(long_history(LONG), tmp_path)
    assert (short_entries, long_entries) == (SHORT, LONG)
    assert long_peak < 1.2 * short_peak


def test_the_first_finding_comes_first(long_history, tmp_path):
    """A caller that stops at the first finding does not read the rest."""
    engine = long_history(SHORT)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE audit_journal DISABLE TRIGGER audit_journal_append_only_rows"))
        connection.execute(sa.text("UPDATE audit_journal SET run_id = 'forged' WHERE seq IN (5, 6000)"))
        connection.execute(sa.text("ALTER TABLE audit_journal ENABLE ALWAYS TRIGGER audit_journal_append_only_rows"))
    verifier = Verifier(engine, FolderStore(tmp_path), PREFIX, [])
    found = verifier.findings()
    assert next(found).row == 5
    assert verifier.counts.entries == 5
    found.close()
