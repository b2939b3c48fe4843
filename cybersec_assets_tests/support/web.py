"""Dagster's web server as a process, and its GraphQL API."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def opened(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Run a web server until the block ends.

    Args:
        command: The command without its port.
        environment: The whole environment of the process.
        folder: Its working directory.

    Yields:
        The address of its GraphQL API, once the code location is loaded.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [*command, "--port", str(port)],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        url = f"http://127.0.0.1:{port}/graphql"
        try:
            wait_for(lambda: server.poll() is not None or is_loaded(url), 180)
            assert server.poll() is None, "the web server has ended"
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(120)


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    """Wait until a condition is true. Fail after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.2)


def ask(url: str, query: str, **variables: Any) -> Any:
    """Send a GraphQL query and return its data."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        document = json.load(response)
    assert "errors" not in document, document
    return document["data"]


def is_loaded(url: str) -> bool:
    """Return whether the web server responds and has loaded the code location."""
    try:
        nodes = ask(url, "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
    except (urllib.error.URLError, ConnectionError):
        return False
    return bool(nodes["repositoriesOrError"].get("nodes"))
