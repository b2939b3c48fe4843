"""A real cluster: kubectl, helm, port forwarding, and processes on the node."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cybersec_assets_tests.support.servers.servers import free_port

RESTRICTED = tuple(f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn"))
FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Cluster:
    """A cluster, and the program that starts it.

    Attributes:
        tool: That program; see docs/development.md.
        environment: What kubectl and helm need.
    """

    tool: Path
    environment: dict[str, str]

    def call(self, *command: str, timeout: float = 300, given: str | None = None) -> str:
        """Run kubectl or helm, and return its output."""
        done = self.attempt(*command, timeout=timeout, given=given)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-3000:]}"
        return done.stdout

    def attempt(self, *command: str, timeout: float = 300, given: str | None = None) -> subprocess.CompletedProcess:
        """Run kubectl or helm without checking the exit status."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False, input=given
        )

    def image(self, name: str) -> str:
        """Return the image of the node whose repository ends with a name."""
        nodes = json.loads(self.call("kubectl", "get", "nodes", "-o", "json"))["items"]
        names = [each for node in nodes for image in node["status"]["images"] for each in image.get("names") or ()]
        return next(each for each in names if re.search(rf"/{name}:[^@]+$", each))


@dataclass(frozen=True)
class Namespace:
    """A namespace that admits only restricted pods."""

    cluster: Cluster
    name: str

    def kubectl(self, *arguments: str, timeout: float = 300, given: str | None = None) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.call("kubectl", "--namespace", self.name, *arguments, timeout=timeout, given=given)

    def get(self, *what: str) -> list[dict[str, Any]]:
        """Return objects."""
        return json.loads(self.kubectl("get", *what, "-o", "json"))["items"]

    def secret(self, name: str) -> dict[str, str]:
        """Return the data of a Secret."""
        template = '{{range $k, $v := .data}}{{$k}}={{$v | base64decode}}{{"\\n"}}{{end}}'
        lines = self.kubectl("get", "secret", name, "-o", f"go-template={template}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    @contextmanager
    def forward(self, service: str, port: int) -> Iterator[int]:
        """Yield a local port that is forwarded to a service."""
        command = ["kubectl", "--namespace", self.name, "port-forward", f"service/{service}", f"{free_port()}:{port}"]
        with subprocess.Popen(
            command, env=self.cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as forward:
            try:
                assert forward.stdout is not None
                found = FORWARDING.match(forward.stdout.readline())
                assert found, "no way to the service"
                yield int(found[1])
            finally:
                forward.terminate()


@contextmanager
def namespace(cluster: Cluster, name: str) -> Iterator[Namespace]:
    """Create a namespace, and delete it with all its objects afterwards."""
    cluster.call("kubectl", "wait", "--for=delete", f"namespace/{name}", "--timeout=180s")
    cluster.call("kubectl", "create", "namespace", name)
    cluster.call("kubectl", "label", "namespace", name, *RESTRICTED)
    try:
        yield Namespace(cluster, name)
    finally:
        # Nothing in the namespace is kept, so its pods need no grace period.
        cluster.call("kubectl", "delete", "pods", "--all", "--namespace", name, "--grace-period=0", "--force")
        cluster.call("kubectl", "delete", "namespace", name, "--wait=false")


def eventually(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until a condition returns a true value, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"gave up waiting for {what}"
        time.sleep(0.5)
    return answer


def kill_on_node(run_id: str) -> None:
    """Send SIGKILL to a run's process on the node. Deleting the pod would send SIGTERM first."""
    found = [
        pid
        for pid in (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())
        if _is_worker(pid, run_id)
    ]
    assert found, f"no process of run {run_id} on this machine"
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def _is_worker(pid: int, run_id: str) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return False
    return "execute_run" in command and run_id in command
