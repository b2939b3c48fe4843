"""The audit behind a real PgBouncer: in session mode everything holds, in any other it is refused by name."""

import os
import re
from contextlib import ExitStack

import psycopg2
import pytest
import sqlalchemy as sa

from cybersec_assets.audit.journal.metrics import read_metrics
from cybersec_assets.audit.journal.phase_locks import PhaseLocks
from cybersec_assets.errors import AuditError
from cybersec_assets.postgres.connection import require_session
from cybersec_assets.postgres.database import LIMITS, Database, make_engine
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.servers.poolers import pgbouncer, pgbouncer_binary
from cybersec_assets_tests.support.servers.servers import HOST

SHARED = (
    r"is behind a pooler in transaction or statement mode \(PgBouncer's pool_mode\), where the audit's locks and "
    r"time-outs do not hold\. Name the server directly in PG_HOST and PG_PORT, or set pool_mode = session"
)
IGNORED = "ignore_startup_parameters = options"


@pytest.fixture(scope="session")
def pooler():
    """PgBouncer's program; where there is none the tests are skipped, but never in CI."""
    try:
        return pgbouncer_binary()
    except FileNotFoundError as error:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(error))
        raise


@pytest.fixture
def behind(pooler, stack_folder, pg, bench, monkeypatch):
    """Put a PgBouncer between the environment and its PostgreSQL, whose database is made first; return its port."""
    with bench.superuser() as cursor:
        cursor.execute(f"CREATE DATABASE {bench.database}")
    with ExitStack() as opened:

        def start(mode, *more):
            port = opened.enter_context(pgbouncer(pooler, stack_folder, pg, mode, *more))
            monkeypatch.setenv("PG_PORT", str(port))
            return port

        yield start


def url_of(bench, port):
    """Return the test's database as it is reached at a port."""
    return sa.URL.create("postgresql+psycopg2", bench.pg.user, bench.pg.password, HOST, port, bench.database)


@pytest.mark.parametrize("more", [(), (IGNORED,)], ids=["refusing options", "ignoring options"])
def test_session_mode_serves_with_all_time_outs(bench, behind, more):
    """Behind a pooler in session mode a day is run, and every connection has its time-outs."""
    port = behind("session", *more)
    assert bench.run().success
    engine = make_engine(url_of(bench, port), poolclass=sa.NullPool)
    with engine.connect() as connection:
        names = ", ".join(f"current_setting('{name}')::interval" for name in LIMITS)
        found = [round(each.total_seconds() * 1000) for each in connection.execute(sa.text(f"SELECT {names}")).one()]
    assert found == list(LIMITS.values())


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("more", [(), (IGNORED,)], ids=["refusing options", "ignoring options"])
def test_other_modes_are_refused(bench, behind, mode, more):
    """A pooler that shares connections is refused in one line with a remedy, and no time-out is left in it."""
    port = behind(mode, *more)
    with pytest.raises(AuditError, match=SHARED) as refused:
        Database(url_of(bench, port)).statement(lambda connection: connection.execute(sa.text("SELECT 1")))
    assert len(str(refused.value)) < 500
    plain = psycopg2.connect(
        host=HOST, port=port, user=bench.pg.user, password=bench.pg.password, dbname=bench.database
    )
    plain.autocommit = True
    with plain.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
    plain.close()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_the_command_refuses_them_before_any_work(bench, behind, cybersec, mode):
    """`cybersec run` exits with 2 and the line, and stores nothing."""
    behind(mode)
    status, _, err = cybersec("run", "--date", DAY, "--json")
    assert status == 2
    assert re.fullmatch(f"error: .* {SHARED} for this database\\.\n", err)
    assert bench.objects() == {}


def test_a_pool_of_one_connection_is_found(bench, behind):
    """A pooler in transaction mode is found as well where it has a single connection to share."""
    port = behind("transaction", "default_pool_size = 1")
    with pytest.raises(AuditError, match=SHARED):
        make_engine(url_of(bench, port)).connect()


def test_a_pool_that_hands_out_in_turn_is_found(bench, behind):
    """A pooler in transaction mode is found as well where its idle connections are used in turn."""
    port = behind("transaction", "server_round_robin = 1", "min_pool_size = 5")
    with pytest.raises(AuditError, match=SHARED):
        make_engine(url_of(bench, port)).connect()


def test_a_direct_connection_opens_no_second_one(bench):
    """A server without a pooler is asked one question."""
    url = url_of(bench, bench.pg.port).set(database="postgres")
    place = {"host": HOST, "port": url.port, "user": url.username, "password": url.password, "dbname": url.database}
    connection = psycopg2.connect(**place)
    require_session(connection, lambda: pytest.fail("a second connection was opened"), str(url))
    connection.close()


def test_a_lock_notices_that_its_session_is_exchanged(bench):
    """A phase's lock whose server process is another than at first is not taken for held."""
    phase_locks = PhaseLocks(url_of(bench, bench.pg.port).set(database="postgres"))
    phase_locks.take()
    phase_locks.renew()
    # What a pooler does that was not found out at the beginning.
    phase_locks._backend += 1  # noqa: SLF001 - a pooler does this by chance only
    with pytest.raises(AuditError, match=SHARED):
        phase_locks.renew()
    phase_locks.close()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_metrics_are_read_behind_a_pooler(bench, behind, mode):
    """The exporter's one transaction is served in transaction mode as well, and its time-out stays in it."""
    assert bench.run().success
    port = behind(mode)
    place = {"host": HOST, "port": port, "user": bench.pg.user, "password": bench.pg.password}
    assert len(read_metrics(**place, dbname=bench.database)) == 4
    plain = psycopg2.connect(**place, dbname=bench.database)
    with plain.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
    plain.close()
