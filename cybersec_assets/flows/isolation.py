"""Run a step in a process of its own, so that a crash there does not end the run.

The step is pickled and sent through a pipe: it may hold the key of the pseudonyms, which must not appear in a command
line or file. A second pipe, the lifeline, ties the other process to this one: when this process ends, for whatever
reason, the pipe closes and the other process exits. What a step does and what its crash means is up to the caller.
"""

import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar, cast

Result = TypeVar("Result")


class StepDiedError(Exception):
    """The process that ran a step ended without a result. The message has the signal or exit status."""


def isolate(step: Callable[[], Result]) -> Result:
    """Run a step in another process, and return its result.

    Args:
        step: A module-level function or a `partial` of one. Both it and its result can be pickled. An exception that
            it raises is raised here.

    Raises:
        StepDiedError: The process was killed by a signal, such as SIGABRT, or exited without a result.
    """
    lifeline, our_end = os.pipe()
    with closing(os.fdopen(lifeline)), closing(os.fdopen(our_end, "w")):
        done = subprocess.run(  # noqa: S603 - the command is this module
            [sys.executable, "-P", "-m", __name__, str(lifeline)],
            input=pickle.dumps(step),
            capture_output=True,
            check=False,
            pass_fds=[lifeline],
            # In this process group, Ctrl-C would end it before this process knows why.
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
    if done.returncode:
        raise StepDiedError(_cause_of_death(done))
    result, raised = pickle.loads(done.stdout)  # noqa: S301 - our own process wrote it
    if raised:
        raise raised
    return cast("Result", result)


def _cause_of_death(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the signal that ended a process, and the first line that it wrote to stderr."""
    ended = signal.Signals(-done.returncode).name if done.returncode < 0 else f"status {done.returncode}"
    written = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return ": ".join([ended, *written[:1]])


def _main(lifeline: int) -> None:
    # A core dump would hold flows, in a file that is never removed.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_exit_with_parent, args=[lifeline], daemon=True).start()
    step: Callable[[], object] = pickle.load(sys.stdin.buffer)  # noqa: S301 - the process that started this one wrote it
    sys.stdout.buffer.write(pickle.dumps(_run(step)))


def _exit_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)


def _run(step: Callable[[], object]) -> tuple[object, Exception | None]:
    """Return a step's result, or the exception that it raised."""
    try:
        return step(), None
    except Exception as error:  # noqa: BLE001 - it is raised again in the calling process
        return None, error


if __name__ == "__main__":
    _main(int(sys.argv[1]))
