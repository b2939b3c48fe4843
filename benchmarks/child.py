"""Run a command in a child process and measure its time and its peak memory."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR")
"""The variables that a child inherits. Variables of the product and of Dagster are not inherited."""


@dataclass(frozen=True)
class Finished:
    """A child process that succeeded.

    Attributes:
        output: Its standard output.
        seconds: Seconds from its start to its exit.
        cpu_seconds: Its processor time, which depends less on other work on the machine.
        peak_bytes: Its maximum resident set.
    """

    output: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run(command: Sequence[str | Path], environment: Mapping[str, str | Path]) -> Finished:
    """Run a command in the checkout and wait for it.

    The kernel's memory count of a child starts with its parent's memory, so the caller must be a small process.

    Raises:
        SystemExit: The command failed.
    """
    variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    variables |= {name: str(value) for name, value in environment.items()}
    begin = time.monotonic()
    child = subprocess.Popen([str(part) for part in command], cwd=CHECKOUT, env=variables, stdout=subprocess.PIPE)
    output = _read_all(child)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(
            f"{' '.join(str(part) for part in command)} failed with exit status {child.returncode}:\n{output}"
        )
    return Finished(output, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _read_all(child: "subprocess.Popen[bytes]") -> str:
    if child.stdout is None:
        return ""
    with child.stdout as stream:
        return stream.read().decode()
