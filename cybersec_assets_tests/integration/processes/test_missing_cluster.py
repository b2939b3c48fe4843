"""A run whose tests need the program `cluster` does not end with success where the program is missing."""

import os
import subprocess
import sys

import pytest

from cybersec_assets_tests.conftest import CHECKOUT


def run_pytest(folder, *arguments):
    """Run pytest in a checkout without the program."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments],
        cwd=CHECKOUT,
        env=environment | {"CYBERSEC_TEST_CLUSTER": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("mark", "tests"), [("stack", "integration/stack/test_command.py"), ("render", "chart/test_logs.py")]
)
def test_a_run_that_would_skip_nearly_everything_is_refused(tmp_path, mark, tests):
    done = run_pytest(tmp_path, "-m", mark, f"cybersec_assets_tests/{tests}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert f"{tmp_path / 'cluster'} is missing: set CYBERSEC_TEST_CLUSTER to a folder" in done.stderr
    assert "passed" not in done.stdout


def test_a_run_that_would_skip_a_few_tests_is_not(tmp_path):
    done = run_pytest(
        tmp_path, *(f"cybersec_assets_tests/{name}" for name in ("unit/test_errors.py", "chart/test_minio_image.py"))
    )
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "set CYBERSEC_TEST_CLUSTER" in done.stdout
