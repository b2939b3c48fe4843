"""Measure `cybersec audit verify` beside a bare pass: `python -m benchmarks.verifying [ENTRIES]`.

The default is 100,000 entries. A tenth of them is measured as well, to show that memory does not grow. The bare pass
reads each entry, hashes its body with SHA-256 and compares. The verifier makes all its checks except those of objects,
whose cost depends on the objects' size. Each pass is a process of its own.
"""

import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import sqlalchemy as sa

from benchmarks import report
from benchmarks.child import CHECKOUT
from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.audit.verify.heads import Listed
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.postgres.embedded import embedded_postgres

TURNS = 3
BATCH = 1_000
DEFAULT_ENTRIES = 100_000
HEADINGS = """\
Command: `python -m benchmarks.verifying {entries}`; {cores} cores, {memory_gib} GiB. Median of {turns} turns.

| entries | seconds | peak memory | bare pass, seconds | verifier / bare pass |
| ---: | ---: | ---: | ---: | ---: |
"""
FILL = """
DO $$
DECLARE
    v_entry public.audit_journal;
    v_started timestamp;
    v_details jsonb := '{"nombre_archivo": "", "ruta_minio": "", "num_registros": 0, "error": "measured",
        "code_version": "0.1.0+0123456789abcdef", "libraries": {"python": "3.11.7", "polars": "2.1.0"},
        "inputs": [{"file": "/var/log/zeek/2026-01-02/conn.log", "size": 123456789,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]}';
BEGIN
    FOR n IN 1..ENTRIES LOOP
        v_entry := public.audit_next();
        v_entry.kind := CASE n %% 2 WHEN 1 THEN 'STARTED' ELSE 'FAILED' END;
        v_entry.run_id := ((n + 1) / 2)::text;
        v_entry.asset_key := 'raw/network_events';
        v_entry.partition_key := '2026-01-02';
        v_entry.attempt := 1;
        IF n %% 2 = 1 THEN
            v_started := v_entry.at;
            PERFORM public.audit_chain(v_entry, n, NULL);
        ELSE
            PERFORM public.audit_chain(v_entry, n, public.audit_event(v_entry, v_started, v_details));
        END IF;
    END LOOP;
END $$
"""


class NoObjects:
    """An empty object store."""

    def entries(self, _bucket: str, _prefix: str = "") -> Iterator[Listed]:
        """Yield no objects."""
        return iter(())

    def chunks(self, bucket: str, name: str) -> Iterator[bytes]:
        """Raise FileNotFoundError: there are no objects."""
        raise FileNotFoundError(bucket, name)


def bare_pass(url: sa.URL) -> int:
    """Read and hash every entry, and return their number."""
    connection = psycopg2.connect(host=url.query["host"], user=url.username, dbname=url.database)
    with connection, connection.cursor("bare") as cursor:
        cursor.itersize = BATCH
        cursor.execute("SELECT seq, body, prev_hash, hash FROM public.audit_journal ORDER BY seq")
        return sum(hashlib.sha256(body.encode()).hexdigest() == found for _, body, _, found in cursor)


def verify(url: sa.URL) -> int:
    """Check every entry, and return their number."""
    verifier = Verifier(sa.create_engine(url), NoObjects(), "measured", [])
    findings = list(verifier.findings())
    if findings:
        sys.exit(f"a clean history has findings: {findings[0]}")
    return verifier.counts.entries


PASSES = {"bare": bare_pass, "verify": verify}


def run_pass(name: str, socket: Path) -> dict[str, float]:
    """Run a pass in a process of its own, and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.verifying", name, str(socket)]
    return json.loads(subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True).stdout)


def child(name: str, socket: str) -> None:
    """Run a pass, and print its time and peak memory as JSON."""
    began = time.perf_counter()
    entries = PASSES[name](_url(socket))
    figures = {"entries": entries, "seconds": time.perf_counter() - began}
    print(json.dumps(figures | {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def measure(entries: int) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Fill a journal, and run both passes in turns."""
    with tempfile.TemporaryDirectory() as folder:
        # As root, PostgreSQL runs as another user, which needs access.
        home = Path(folder)
        home.chmod(0o755)
        with embedded_postgres(home) as socket:
            database = connect(_url(str(socket)))
            with database.engine.begin() as connection:
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql(FILL.replace("ENTRIES", str(entries)))
            with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("SET statement_timeout = 0")
                connection.exec_driver_sql("VACUUM ANALYZE")
            database.close()
            return [(run_pass("bare", socket), run_pass("verify", socket)) for _ in range(TURNS)]


def main() -> None:
    """Measure a tenth of the entries and all of them, and write a table of the medians."""
    if sys.argv[1:2] and sys.argv[1] in PASSES:
        child(sys.argv[1], sys.argv[2])
        return
    entries = int(sys.argv[1]) if sys.argv[1:] else DEFAULT_ENTRIES
    figures: dict[str, object] = {"machine": report.machine()}
    table = HEADINGS.format(entries=entries, turns=TURNS, **report.machine())
    for size in (entries // 10, entries):
        pairs = measure(size)
        ours = statistics.median(verified["seconds"] for _, verified in pairs)
        bare = statistics.median(bare["seconds"] for bare, _ in pairs)
        ratio = statistics.median(verified["seconds"] / bare["seconds"] for bare, verified in pairs)
        peak = max(verified["peak_mib"] for _, verified in pairs)
        table += f"| {size:,} | {ours:.1f} | {peak:.0f} MiB | {bare:.1f} | {ratio:.1f} |\n"
        figures[str(size)] = {"pairs": pairs, "ratio": ratio, "peak_mib": peak}
    print(table)
    report.write("verifying", f"# The check of a whole audit\n\n{table}", figures)


def _url(socket: str) -> sa.URL:
    return sa.URL.create("postgresql+psycopg2", "postgres", database="mlops_db", query={"host": socket})


if __name__ == "__main__":
    main()
