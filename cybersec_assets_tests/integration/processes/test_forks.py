"""Polars works in a process that is forked after the project was imported, as servers and executors do."""

import subprocess
import sys

FORK = """
import os
import cybersec_assets.cli.run
import polars as pl
child = os.fork()
if child == 0:
    pl.DataFrame({"a": [1]}).lazy().select(pl.col("a").sum()).sink_parquet(os.devnull)
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_importing_the_project_starts_no_polars_threads():
    """With threads at the time of the fork, the child process would deadlock."""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], timeout=60, check=False)
    assert ended.returncode == 0
