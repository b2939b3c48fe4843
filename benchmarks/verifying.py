"""Tell how fast the audit is verified beside a bare pass: `python -m benchmarks.verifying [ENTRIES]`, a million else.

The bare pass reads number, text and both hashes of every entry, hashes the text with SHA-256 and compares. The
verifier does all its checks but those of objects, as these depend on the objects' size alone. Each is a process.
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
BATCH = 2_000
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
    """A store with nothing in it."""

    def entries(self, _bucket: str, _prefix: str = "") -> Iterator[Listed]:
        """List nothing."""
        return iter(())

    def chunks(self, bucket: str, name: str) -> Iterator[bytes]:
        """There is nothing to read."""
        raise FileNotFoundError(bucket, name)


def bare_pass(url: sa.URL) -> int:
    """Read and hash every entry."""
    connection = psycopg2.connect(host=url.query["host"], user=url.username, dbname=url.database)
    with connection, connection.cursor("bare") as cursor:
        cursor.itersize = BATCH
        cursor.execute("SELECT seq, body, prev_hash, hash FROM public.audit_journal ORDER BY seq")
        return sum(hashlib.sha256(body.encode()).hexdigest() == found for _, body, _, found in cursor)


def verify(url: sa.URL) -> int:
    """Check every entry."""
    verifier = Verifier(sa.create_engine(url), NoObjects(), "measured", [])
    assert not list(verifier.findings())
    return verifier.counts.entries


WAYS = {"bare": bare_pass, "verify": verify}


def in_a_process(way: str, socket: Path) -> dict[str, float]:
    """Have one of the ways done by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.verifying", way, str(socket)]
    return json.loads(subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True).stdout)


def child(way: str, socket: str) -> None:
    """Do it, and say how long it took and how much memory it had at most."""
    began = time.perf_counter()
    entries = WAYS[way](_url(socket))
    figures = {"entries": entries, "seconds": time.perf_counter() - began}
    print(json.dumps(figures | {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def measure(entries: int, home: Path) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Fill a journal, and go through it both ways by turns."""
    with embedded_postgres(home) as socket:
        database = connect(_url(str(socket)))
        with database.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql(FILL.replace("ENTRIES", str(entries)))
        with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("VACUUM ANALYZE")
        database.close()
        return [(in_a_process("bare", socket), in_a_process("verify", socket)) for _ in range(TURNS)]


def main() -> None:
    """Measure a tenth and the whole, and write the median of the ratios down."""
    if sys.argv[1:2] and sys.argv[1] in WAYS:
        return child(sys.argv[1], sys.argv[2])
    entries = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    figures: dict[str, object] = {"machine": report.machine()}
    said = []
    for size in (entries // 10, entries):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            pairs = measure(size, Path(folder))
        ratio = statistics.median(bare["seconds"] / ours["seconds"] for bare, ours in pairs)
        peak = max(ours["peak_mib"] for _, ours in pairs)
        said.append(f"{size:,} entries: {ratio:.2f} of a bare pass's speed, {peak:.0f} MiB at most (of {TURNS})")
        figures[str(size)] = {"pairs": pairs, "ratio": ratio}
    print("\n".join(said))
    report.write("audit-verify", "\n\n".join(said) + "\n", figures)
    return None


def _url(socket: str) -> sa.URL:
    return sa.URL.create("postgresql+psycopg2", "postgres", database="mlops_db", query={"host": socket})


if __name__ == "__main__":
    main()
