"""Ctrl-C ends a command with one line and exit status 130, also during imports."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cybersec_assets.cli import interrupts
from cybersec_assets_tests.conftest import DAY

LINE = f"{interrupts.LINE}\n"


def start(home, *arguments):
    """Start the command. It prints the imported modules on standard error."""
    command = [sys.executable, "-X", "importtime", "-m", "cybersec_assets.cli", *arguments]
    environment = os.environ | {"CYBERSEC_HOME": str(home), "CYBERSEC_SYNTHETIC_FLOWS": "3000"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def interrupted_at(process, module):
    """Interrupt a process when it has imported a module. Return its status and its output without the imports."""
    with process:
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == module:
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=60)
    lines = [line for line in err.splitlines(keepends=True) if not line.startswith("import time:")]
    return process.returncode, out, "".join(lines)


@pytest.mark.parametrize("module", ["typer._click.core", "typer", "pydantic", "pydantic_settings"])
def test_while_the_command_line_is_loaded(tmp_path, module):
    process = start(tmp_path / "home", "audit", "last-run")
    assert interrupted_at(process, module) == (interrupts.EXIT_STATUS, "", LINE)


@pytest.mark.parametrize(
    "module",
    ["rich.console", "polars", "sqlalchemy", "dagster._core.errors", "dagster", "cybersec_assets.operations.run_day"],
)
def test_while_a_run_is_loaded(tmp_path, module):
    """Nothing has been created yet."""
    process = start(tmp_path / "home", "run", "--date", DAY)
    assert interrupted_at(process, module) == (interrupts.EXIT_STATUS, "", LINE)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("seconds", [0, 0.2, 0.5, 1])
def test_while_the_audit_is_opened(tmp_path, seconds):
    """The embedded server, which is starting, is stopped again."""
    process = start(tmp_path / "home", "run", "--date", DAY, "--json")
    with process:
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == "cybersec_assets.cli.run":
                break
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    lines = [line for line in err.splitlines() if not line.startswith("import time:")]
    assert (process.returncode, len(lines)) == (interrupts.EXIT_STATUS, 1), lines
    assert "interrupted" in lines[0]
