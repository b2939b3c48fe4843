"""The programs of pods, run as processes in the tests' own environment."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def program(command: Sequence[str], variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen]:
    """Run a program with additional variables and its output in a file, and terminate it afterwards."""
    path = Path(sys.executable).parent / command[0]
    environment = os.environ | variables
    with (
        log.open("w") as output,
        subprocess.Popen([path, *command[1:]], env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
