"""The program `cluster`, which starts a cluster and builds Helm and MinIO. It is not part of the project."""

import os
import subprocess
from pathlib import Path

import pytest

BESIDE_CHECKOUT = Path(__file__).parents[4] / "shared" / "cluster"
BUILD_SECONDS = 20 * 60


def cluster_program() -> Path:
    """Return where the program is expected."""
    return Path(os.environ.get("CYBERSEC_TEST_CLUSTER") or BESIDE_CHECKOUT) / "cluster"


def missing_cluster() -> str | None:
    """Return what is missing and how to get it, or None if the program exists."""
    program = cluster_program()
    if program.is_file():
        return None
    return (
        f"{program} is missing: set CYBERSEC_TEST_CLUSTER to a folder that contains the program `cluster`, or put "
        f"that folder at {BESIDE_CHECKOUT}"
    )


def built_tool(program: Path, name: str) -> Path:
    """Return the path of a tool, which is built if it is missing. Fail the test if it cannot be built."""
    command = [str(program), "tool", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    printed = done.stdout.split()
    if done.returncode != 0 or not printed or not Path(printed[-1]).is_file():
        pytest.fail(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return Path(printed[-1])
