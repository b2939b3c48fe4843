"""The audit behind a real PgBouncer: session mode works, and any other mode is refused by name."""

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
from cybersec_assets_tests.conftest import DAY, skip_unless_ci
from cybersec_assets_tests.support.servers.poolers import pgbouncer, pgbouncer_binary
from cybersec_assets_tests.support.servers.servers import HOST

SHARED = (
    r"is behind a pooler in transaction or statement mode \(PgBouncer's pool_mode\), where the audit's locks and "
    r"time-outs do not hold\. Name the server directly in PG_HOST and PG_PORT, or set pool_mode = session"
)
IGNORED = "ignore_startup_parameters = options"


@pytest.fixture(scope="session")
def pooler():
    """Return PgBouncer's program. The tests are skipped without it, except in CI."""
    try:
        return pgbouncer_binary()
    except FileNotFoundError as error:
        skip_unless_ci(str(error))
        raise


@pytest.fixture
def behind(pooler, stack_folder, pg, bench, monkeypatch):
    """Return a function that starts a PgBouncer for the test's database and returns its port."""
    with bench.superuser() as cursor:
        cursor.execute(f"CREATE DATABASE {bench.database}")
    with ExitStack() as opened:

        def start(mode, *more):
            port = opened.enter_context(pgbouncer(pooler, stack_folder, pg, mode, *more))
            monkeypatch.setenv("PG_PORT", str(port))
            return port

        yield start


def url_of(bench, port):
    """Return the URL of the test's database at a port."""
    return sa.URL.create("postgresql+psycopg2", bench.pg.user, bench.pg.password, HOST, port, bench.database)


@pytest.mark.parametrize("more", [(), (IGNORED,)], ids=["refusing options", "ignoring options"])
def test_session_mode_works_with_all_timeouts(bench, behind, more):
    """A day runs in session mode, and every connection has its timeouts."""
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
    """The refusal is one line with a remedy, and no timeout remains on the shared connections."""
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
def test_the_command_refuses_other_modes_before_any_work(bench, behind, cybersec, mode):
    """`cybersec run` exits with 2 and that line, and stores nothing."""
    behind(mode)
    status, _, err = cybersec("run", "--date", DAY, "--json")
    assert status == 2
    assert re.fullmatch(f"error: .* {SHARED} for this database\\.\n", err)
    assert bench.objects() == {}


def test_a_pool_of_one_connection_is_detected(bench, behind):
    """Transaction mode is detected with a single shared connection."""
    port = behind("transaction", "default_pool_size = 1")
    with pytest.raises(AuditError, match=SHARED):
        make_engine(url_of(bench, port)).connect()


def test_a_round_robin_pool_is_detected(bench, behind):
    """Transaction mode is detected where idle connections are used in turn."""
    port = behind("transaction", "server_round_robin = 1", "min_pool_size = 5")
    with pytest.raises(AuditError, match=SHARED):
        make_engine(url_of(bench, port)).connect()


def test_a_direct_connection_opens_no_second_one(bench):
    """Without a pooler one query is enough."""
    url = url_of(bench, bench.pg.port).set(database="postgres")
    place = {"host": HOST, "port": url.port, "user": url.username, "password": url.password, "dbname": url.database}
    connection = psycopg2.connect(**place)
    require_session(connection, lambda: pytest.fail("a second connection was opened"), str(url))
    connection.close()


def test_a_lock_detects_that_its_session_changed(bench):
    """The lock of a phase is lost if another server process serves its session."""
    phase_locks = PhaseLocks(url_of(bench, bench.pg.port).set(database="postgres"))
    phase_locks.take()
    phase_locks.renew()
    # A pooler that was not detected at first may do this.
    phase_locks._backend += 1  # noqa: SLF001 - a pooler does this by chance only
    with pytest.raises(AuditError, match=SHARED):
        phase_locks.renew()
    phase_locks.close()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_metrics_are_read_behind_a_pooler(bench, behind, mode):
    """Transaction mode is enough for the exporter's one transaction, and its timeout ends with it."""
    assert bench.run().success
    port = behind(mode)
    place = {"host": HOST, "port": port, "user": bench.pg.user, "password": bench.pg.password}
    assert len(read_metrics(**place, dbname=bench.database)) == 4
    plain = psycopg2.connect(**place, dbname=bench.database)
    with plain.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
    plain.close()
