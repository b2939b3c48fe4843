"""Objects that shadow the audit's names do not change what its functions do."""

import pytest
import sqlalchemy as sa

from cybersec_assets.audit.journal.journal import APPEND
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.phases import RAW
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.verify.history import LOCKS, PREFIX

PINNED = "search_path=pg_catalog, pg_temp"
TRAPS = (
    "CREATE TEMP TABLE audit_journal (LIKE public.audit_journal)",
    "CREATE TEMP TABLE ingestion_events (LIKE public.ingestion_events)",
    "CREATE SCHEMA IF NOT EXISTS evil",
    "CREATE TABLE IF NOT EXISTS evil.audit_journal (LIKE public.audit_journal)",
    "CREATE OR REPLACE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT '\\x00'::bytea $$",
    "CREATE OR REPLACE FUNCTION evil.encode(bytea, text) RETURNS text LANGUAGE sql AS $$ SELECT 'forged' $$",
    "CREATE OR REPLACE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT now() $$",
    "SET search_path = pg_temp, evil, pg_catalog, public",
)
HASH = "encode(sha256('x'), 'hex')"


@pytest.fixture
def trapped(database):
    """Yield a connection on which all names that the functions use are shadowed."""
    with database.engine.connect() as connection:
        plain = connection.execution_options(no_parameters=True)
        for trap in TRAPS:
            plain.exec_driver_sql(trap)
        connection.commit()
        yield connection
        connection.invalidate()


def append(connection, kind, attempt, lock, details):
    """Call the function as the journal does."""
    values = {"kind": kind, "run_id": "run-1", "asset": RAW.asset, "partition": DAY, "attempt": attempt, "lock": lock}
    connection.execute(APPEND, values | {"details": details})


def test_every_function_has_its_own_search_path(database):
    """Temporary objects come last."""
    query = "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    with database.engine.connect() as connection:
        found = dict(tuple(row) for row in connection.execute(sa.text(query)))
    assert set(found) == {"audit_append", "audit_chain", "audit_event", "audit_next", "audit_refuse"}
    assert set(map(tuple, found.values())) == {(PINNED,)}


def test_a_phase_is_written_to_the_audits_tables(database, author, trapped):
    lock = next(LOCKS)
    append(trapped, "STARTED", 0, lock, {})
    append(trapped, "FAILED", 1, lock, {"nombre_archivo": "", "ruta_minio": "", "num_registros": 0, "error": "x"})
    trapped.commit()
    for table in ("pg_temp.audit_journal", "pg_temp.ingestion_events", "evil.audit_journal"):
        assert trapped.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar() == 0
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    verifier = Verifier(engine, author.store, PREFIX, [])
    assert (list(verifier.findings()), verifier.counts.entries) == ([], 2)


def test_without_its_search_path_a_function_uses_the_shadows(trapped):
    """A negative control."""
    trapped.execute(sa.text(f"CREATE FUNCTION evil.unpinned() RETURNS text LANGUAGE sql AS $$ SELECT {HASH} $$"))
    path = PINNED.replace("=", " = ")
    pinned = f"CREATE FUNCTION evil.pinned() RETURNS text LANGUAGE sql SET {path} AS $$ SELECT {HASH} $$"
    trapped.execute(sa.text(pinned))
    assert trapped.execute(sa.text("SELECT evil.unpinned()")).scalar() == "forged"
    assert trapped.execute(sa.text("SELECT evil.pinned()")).scalar() != "forged"
