"""A step that is done in another process, and everything that may end either."""

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


def test_a_step_is_done_elsewhere(tmp_path):
    """The step is done, and not in this process."""
    isolate(partial(exec, f"import os, pathlib; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"))
    assert int((tmp_path / "pid").read_text()) != os.getpid()


def test_what_a_step_raises_is_raised_here():
    """An error of ours comes back with what went wrong and what to do; so does the system's."""
    with pytest.raises(UnreadableLogError, match=r"^a is cut\. Fetch it\.$") as error:
        isolate(partial(exec, RAISING))
    assert (error.value.problem, error.value.remedy) == ("a is cut", "Fetch it")
    with pytest.raises(OSError, match="full") as full:
        isolate(partial(exec, f"raise OSError({errno.ENOSPC}, 'full')"))
    assert full.value.errno == errno.ENOSPC


@pytest.mark.parametrize("name", ["SIGABRT", "SIGKILL", "SIGSEGV"])
def test_a_death_is_told_by_its_signal(name):
    """A signal that ends the other process is named, and ends nothing here."""
    with pytest.raises(StepDiedError, match=f"^{name}$"):
        isolate(partial(exec, f"import os, signal; os.kill(os.getpid(), signal.{name})"))


def test_an_end_without_an_answer_is_a_death():
    """A process that ends by itself, with a word, has not done its step."""
    with pytest.raises(StepDiedError, match=r"^status 3: enough$"):
        isolate(partial(exec, "import os; os.write(2, b'enough'); os._exit(3)"))


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_other_process_does_not_outlive_this_one(tmp_path, ended_by):
    """However this process ends, the other ends, too."""
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
    """Tell whether a process is there and no zombie, which nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(holds):
    """Wait until something holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
