"""A process of its own: how long it took from start to exit, and how much memory it had at most."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR")
"""What a child sees of our environment; nothing of the product's or of Dagster's."""


@dataclass(frozen=True)
class Finished:
    """A child that ended well.

    Attributes:
        output: What it printed.
        seconds: From its start to its exit.
        cpu_seconds: For how long it kept a core busy, which other work on the machine changes less.
        peak_bytes: The most memory that it had in use at once (its maximum resident set).
    """

    output: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run(command: Sequence[str | Path], environment: Mapping[str, str | Path]) -> Finished:
    """Run a command in the checkout and wait for it.

    The kernel's count of its memory begins with what its parent had, so the caller must be a small process.

    Raises:
        SystemExit: It failed.
    """
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    given |= {name: str(value) for name, value in environment.items()}
    begin = time.monotonic()
    child = subprocess.Popen([str(part) for part in command], cwd=CHECKOUT, env=given, stdout=subprocess.PIPE)
    output = _read_all(child)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(str(part) for part in command)} ended with {child.returncode}:\n{output}")
    return Finished(output, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _read_all(child: "subprocess.Popen[bytes]") -> str:
    if child.stdout is None:
        return ""
    with child.stdout as stream:
        return stream.read().decode()
