"""What forks after it imported the project, as servers and Dagster's executors do, has a Polars that works."""

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


def test_importing_the_project_starts_none_of_polars_threads():
    """A process that was forked off after the imports computes with Polars and ends, and does not wait for ever."""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], timeout=60, check=False)
    assert ended.returncode == 0
