"""A database that refuses, is full or read-only, or has a wrong clock: one clear line, and nothing half-written."""

import os
import random
import subprocess

import pytest
import sqlalchemy as sa

from cybersec_assets.audit.heads.keys import signing_key
from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.errors import AuditError
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.conftest import DAY, skip_unless_ci
from cybersec_assets_tests.support.audit.roles import write_phase
from cybersec_assets_tests.support.audit.servers import Server
from cybersec_assets_tests.support.servers.servers import UNPRIVILEGED
from cybersec_assets_tests.support.verify.history import PREFIX, Author

DISK = "24m"
MOST = 5_000
"""The most phases that are written until the disk is full, which takes far fewer."""


def assert_one_line(result, *parts):
    """Check that a command ended with status 2 and one line on standard error that contains some parts."""
    status, out, err = result
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (status, len(errors), "Traceback" in out + err) == (2, 1, False)
    for part in parts:
        assert part in errors[0]


def test_a_wrong_password(server, use, cybersec):
    """The message names the server and the role, for reading and writing, and does not contain the password."""
    use(server, PG_PASSWORD="wrong-wrong")
    for command in (("audit", "records"), ("audit", "verify"), ("run", "--date", DAY)):
        result = cybersec(*command)
        assert_one_line(result, f"{server.user}@127.0.0.1:{server.port}", "password authentication", "PG_PASSWORD")
        assert "wrong-wrong" not in result[1] + result[2]


def test_no_database_and_no_right_to_create_one(server, use, cybersec):
    """The message names the database."""
    server.execute("CREATE ROLE poor LOGIN PASSWORD 'made-up'")
    use(server, PG_USER="poor", PG_PASSWORD="made-up")
    result = cybersec("run", "--date", DAY, "--json")
    assert_one_line(result, "poor@", "/audited", "permission denied to create database")
    assert server.execute("SELECT 1 FROM pg_database WHERE datname = 'audited'") == []


@pytest.fixture
def standby(server, folder, use, cybersec):
    """Return a standby of a server whose audit has a run of one day."""
    use(server)
    assert cybersec("run", "--date", DAY)[0] == 0
    made = Server(folder / "standby")
    server.copy_to(made)
    made.has_replayed(server)
    yield made
    made.stop()


def test_a_standby_can_be_read(standby, use, cybersec):
    """All questions to the audit work on a read-only standby, and its verification finds nothing."""
    use(standby)
    assert standby.execute("SELECT pg_is_in_recovery()")[0][0]
    for command in ("last-run", "records", "failures", "anomalies", "verify"):
        status, out, err = cybersec("audit", command, "--json")
        assert (status, bool(out), err) == (0, True, "")


def test_a_standby_refuses_writes(standby, use, cybersec):
    """A run fails with one line that says where to write instead."""
    use(standby)
    assert_one_line(cybersec("run", "--date", DAY), "read-only transaction", "primary", "PG_HOST")
    assert len(standby.execute("SELECT 1 FROM audit_phases", database="audited")) == 4


def test_a_standby_that_lags_behind_is_not_damaged(server, standby, use, cybersec):
    """If entries that a head covers have not arrived yet, `audit verify` says so with status 2."""
    standby.execute("SELECT pg_wal_replay_pause()")
    use(server)
    assert cybersec("run", "--date", DAY)[0] == 0
    use(standby)
    assert_one_line(cybersec("audit", "verify"), "lags behind", "16 entries", "head 8", "the primary")
    standby.execute("SELECT pg_wal_replay_resume()")
    standby.has_replayed(server)
    assert cybersec("audit", "verify")[0] == 0


def test_a_truncated_tail_is_damage_on_a_standby(server, standby, use, cybersec):
    """If entries arrived and were deleted afterwards, `audit verify` reports the truncated tail with status 1."""
    server.execute(
        "ALTER TABLE audit_journal DISABLE TRIGGER audit_journal_append_only_rows",
        "DELETE FROM audit_journal WHERE seq > 6",
        "ALTER TABLE audit_journal ENABLE ALWAYS TRIGGER audit_journal_append_only_rows",
        database="audited",
    )
    standby.has_replayed(server)
    use(standby)
    status, out, _ = cybersec("audit", "verify")
    assert (status, out.splitlines()[0].split()[:3]) == (1, ["tail-cut", "audit_journal", "6:"])


@pytest.fixture
def small_disk(server, folder):
    """Mount a small file system, and use it as a tablespace of the server."""
    if os.geteuid() != 0:
        skip_unless_ci("only root can mount file systems")
    place = folder / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=777", "tmpfs", str(place)], check=True)
    inside = place / "space"
    inside.mkdir()
    subprocess.run(["chown", UNPRIVILEGED, str(inside)], check=True)
    try:
        server.execute(f"CREATE TABLESPACE small LOCATION '{inside}'")
        yield "small"
    finally:
        server.stop()
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(server, small_disk, tmp_path):
    """A phase is refused as a whole, with an error that gives the reason. Once there is room, writing continues."""
    server.execute(f"CREATE DATABASE audited TABLESPACE {small_disk}")
    database = connect(server.url("audited"), patience=5)
    author = Author(Journal(database), FolderStore(tmp_path / "store"), signing_key(tmp_path, None), random.Random(1))
    author.write(4)
    fill(server)
    with pytest.raises(AuditError, match=r"No space left.*Free space on the database server's disk"):
        author.write(MOST)
    trusted = (tmp_path / "audit" / "trusted-keys").read_text().split()
    assert list(Verifier(database.engine, author.store, PREFIX, trusted).findings()) == []
    server.execute("DROP TABLE filler", database="audited")
    author.write(4)
    assert list(Verifier(database.engine, author.store, PREFIX, trusted).findings()) == []
    database.close()


def fill(server):
    """Fill the disk to the last page, with ever smaller inserts."""
    server.execute("CREATE TABLE filler (x text)", database="audited")
    for rows in (20_000, 500, 1):
        insert = f"INSERT INTO filler SELECT md5(n::text) FROM generate_series(1, {rows}) n"
        with pytest.raises(sa.exc.OperationalError, match="No space left"):
            server.execute(*[insert] * MOST, database="audited")


def shift_clock(server, interval):
    """Change the time of the journal's last entry, as a server's clock that is corrected afterwards does."""
    server.execute(
        "ALTER TABLE audit_journal DISABLE TRIGGER ALL",
        f"UPDATE audit_journal SET at = at + interval '{interval}' WHERE seq = (SELECT max(seq) FROM audit_journal)",
        database="audited",
    )


def test_a_clock_that_runs_backwards(server):
    """A clock far behind the last entry is an error and nothing is written. A small difference is corrected."""
    database = connect(server.url("audited"))
    write_phase(database)
    shift_clock(server, "5 seconds")
    last = write_phase(database, "run-2")
    ordered = (
        "SELECT bool_and(at >= before) FROM (SELECT at, lag(at) OVER (ORDER BY seq) AS before FROM audit_journal) j"
    )
    assert server.execute(ordered, database="audited")[0][0]
    shift_clock(server, "1 day")
    with pytest.raises(
        AuditError, match=r"its clock says .* but the audit's last entry is of .*Correct the database server's clock"
    ):
        write_phase(database, "run-3")
    assert Journal(database).tail().seq == last.seq
    database.close()


def test_a_newer_schema(server, use, cybersec):
    """Every command refuses a database of an incompatible newer release, with one line."""
    connect(server.url("audited")).close()
    server.execute("CREATE OR REPLACE VIEW audit_serves AS SELECT '9999' AS oldest", database="audited")
    server.execute("UPDATE alembic_version SET version_num = '9999'", database="audited")
    use(server)
    for command in (("audit", "records"), ("audit", "verify"), ("run", "--date", DAY)):
        assert_one_line(cybersec(*command), "9999", "a newer one")


def test_a_created_role_can_log_in(server):
    """The application's role is created with its password, which is sent to the server as a hash only."""
    server.execute("CREATE ROLE migration LOGIN CREATEROLE PASSWORD 'made-up-2'", "CREATE DATABASE d OWNER migration")
    application = server.url("d").set(username="application", password="made-up: %s 'quoted'")
    database = connect(application, server.url("d").set(username="migration", password="made-up-2"))
    assert write_phase(database).seq == 2
    database.close()
    with pytest.raises(AuditError, match="password authentication failed"):
        connect(application.set(password="wrong"))
    assert "made-up: " not in (server.data / "server.log").read_text()
