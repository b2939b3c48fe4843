"""Steps that run in another process, and all ways in which either process may end."""

import errno
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.isolation import StepDiedError, isolate

RAISING = "from cybersec_assets.errors import UnreadableLogError; raise UnreadableLogError('a is cut', 'Fetch it')"
SLOW = "import os, pathlib, time; pathlib.Path({!r}).write_text(str(os.getpid())); time.sleep(60)"
PARENT = """
import signal
from functools import partial
from cybersec_assets.flows.isolation import isolate
# Where a shell started the tests with &, the interrupt would be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
isolate(partial(exec, {!r}))
"""
SECONDS = 20


def test_a_step_runs_in_another_process(tmp_path):
    isolate(partial(exec, f"import os, pathlib; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"))
    assert int((tmp_path / "pid").read_text()) != os.getpid()


def test_an_exception_of_a_step_is_raised_in_the_caller():
    """Our errors keep their problem and remedy, and system errors their number."""
    with pytest.raises(UnreadableLogError, match=r"^a is cut\. Fetch it\.$") as error:
        isolate(partial(exec, RAISING))
    assert (error.value.problem, error.value.remedy) == ("a is cut", "Fetch it")
    with pytest.raises(OSError, match="full") as full:
        isolate(partial(exec, f"raise OSError({errno.ENOSPC}, 'full')"))
    assert full.value.errno == errno.ENOSPC


@pytest.mark.parametrize("name", ["SIGABRT", "SIGKILL", "SIGSEGV"])
def test_a_crash_is_reported_with_its_signal(name):
    with pytest.raises(StepDiedError, match=f"^{name}$"):
        isolate(partial(exec, f"import os, signal; os.kill(os.getpid(), signal.{name})"))


def test_an_exit_without_a_result_is_a_crash():
    """A process that exits by itself has not run its step, even if it wrote something."""
    with pytest.raises(StepDiedError, match=r"^status 3: enough$"):
        isolate(partial(exec, "import os; os.write(2, b'enough'); os._exit(3)"))


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_other_process_does_not_outlive_this_one(tmp_path, ended_by):
    told = tmp_path / "pid"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(SLOW.format(str(told)))],
        stderr=subprocess.DEVNULL,
    )
    until(lambda: told.exists() and told.read_text())
    other = int(told.read_text())
    parent.send_signal(ended_by)
    assert parent.wait(SECONDS) != 0
    until(lambda: not lives(other))


def lives(pid):
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition):
    """Wait until a condition is true."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
