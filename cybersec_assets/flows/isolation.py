"""A step done in a process of its own, so that what ends that process ends no other.

The step is pickled and goes there through a pipe, as its key to pseudonyms may be part of it, which no command line
or file must show. A second pipe ties the other process to this one: it ends as soon as this one has, however that ends.
What does not belong here: what a step does, and what its death means.
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
    """The process that did a step ended without a word; the message says how."""


def isolate(step: Callable[[], Result]) -> Result:
    """Run a step in another process, and return its result.

    Args:
        step: A function of a module, or a `partial` of one: both it and its result can be pickled. What it raises is
            raised here.

    Raises:
        StepDiedError: The process was ended by a signal, as by `abort`, or ended otherwise without an answer.
    """
    lifeline, held = os.pipe()
    with closing(os.fdopen(lifeline)), closing(os.fdopen(held, "w")):
        done = subprocess.run(  # noqa: S603 - it is this very module
            [sys.executable, "-P", "-m", __name__, str(lifeline)],
            input=pickle.dumps(step),
            capture_output=True,
            check=False,
            pass_fds=[lifeline],
            # Not in this one's group, or Ctrl-C would end it before this one knows why.
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
    if done.returncode:
        raise StepDiedError(_how(done))
    result, raised = pickle.loads(done.stdout)  # noqa: S301 - it comes from our own process
    if raised:
        raise raised
    return cast("Result", result)


def _how(done: subprocess.CompletedProcess[bytes]) -> str:
    """Say which signal ended a process, and what it said first."""
    ended = signal.Signals(-done.returncode).name if done.returncode < 0 else f"status {done.returncode}"
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return ": ".join([ended, *said[:1]])


def _main(lifeline: int) -> None:
    # What is left of a process that was aborted would hold flows, in a file that nobody removes.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with, args=[lifeline], daemon=True).start()
    step: Callable[[], object] = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from the process that started this one
    sys.stdout.buffer.write(pickle.dumps(_outcome(step)))


def _end_with(lifeline: int) -> None:
    """End this process with the one that holds the other end of a pipe."""
    os.read(lifeline, 1)
    os._exit(1)


def _outcome(step: Callable[[], object]) -> tuple[object, Exception | None]:
    """Return a step's result, or the error that it raised."""
    try:
        return step(), None
    except Exception as error:  # noqa: BLE001 - it is raised where the step was asked for
        return None, error


if __name__ == "__main__":
    _main(int(sys.argv[1]))
