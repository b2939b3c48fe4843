"""Helm, and what was rendered by it."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cybersec_assets_tests.conftest import CHECKOUT
from cybersec_assets_tests.support.cluster.chart import DEMO, OWN, Helm
from cybersec_assets_tests.support.cluster.cluster import Cluster, namespace
from cybersec_assets_tests.support.cluster.release import Release
from cybersec_assets_tests.support.cluster.slow_runs import SLOW

REPOSITORY, TAG = "localhost/cybersec-assets", "test"
MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes what is measured; nothing is asserted of it, as it says as much of the machine."""
    return request.config.stash.setdefault(MEASURED, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what was measured."""
    for line in config.stash.get(MEASURED, []):
        terminalreporter.line(line)


def missing(what: str) -> None:
    """Skip a test, but never in CI."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


@pytest.fixture(scope="session")
def cluster_tool() -> Path:
    """The program that has Helm, and starts a cluster: see docs/development.md."""
    folder = Path(os.environ.get("CYBERSEC_TEST_CLUSTER") or CHECKOUT.parent / "shared" / "cluster")
    if not (folder / "cluster").exists():
        missing(f"no {folder / 'cluster'}: set CYBERSEC_TEST_CLUSTER to the folder of the local cluster")
    return folder / "cluster"


@pytest.fixture(scope="session")
def helm_program(cluster_tool: Path) -> Path:
    """Helm, built where it is missing."""
    done = subprocess.run([cluster_tool, "tool", "helm"], capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode != 0:
        missing(f"`{cluster_tool} tool helm` ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return Path(done.stdout.split()[-1])


@pytest.fixture
def helm(helm_program: Path, tmp_path: Path) -> Helm:
    """Helm, with a folder for values."""
    return Helm(helm_program, tmp_path)


@pytest.fixture(params=[DEMO, OWN], ids=["demo", "own"])
def values(request: pytest.FixtureRequest):
    """The values of a trial, and of somebody with stores of their own and everything switched on."""
    return request.param


@pytest.fixture
def manifests(helm: Helm, values):
    """What the chart makes of them."""
    return helm.manifests(values)


@pytest.fixture(scope="session")
def cluster(cluster_tool: Path) -> Iterator[Cluster]:
    """A cluster: the one that runs, or one that runs as long as the tests do."""
    runs = subprocess.run([cluster_tool, "status"], capture_output=True, check=False).returncode == 0
    if not runs:
        subprocess.run([cluster_tool, "up"], check=True, timeout=3600)
    exports = subprocess.run([cluster_tool, "env"], capture_output=True, text=True, check=True).stdout
    path = {"PATH": os.environ["PATH"]}
    shell = ["bash", "-c", f'{exports}\nprintf \'%s\\n\' "$KUBECONFIG" "$PATH"']
    config, programs = subprocess.run(shell, env=path, capture_output=True, text=True, check=True).stdout.splitlines()
    yield Cluster(cluster_tool, {"KUBECONFIG": config, "PATH": programs, "HOME": str(Path.home())})
    if not runs:
        subprocess.run([cluster_tool, "down"], check=True, timeout=120)


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """The project's image: one that the cluster has, by CYBERSEC_TEST_IMAGE, or built from this checkout."""
    if given := os.environ.get("CYBERSEC_TEST_IMAGE"):
        return given
    name = f"{REPOSITORY}:{TAG}"
    subprocess.run([cluster.tool, "build", CHECKOUT, name], check=True, timeout=1800)
    return name


@pytest.fixture(scope="session")
def settings(cluster: Cluster, image: str) -> tuple[str, ...]:
    """Values for a trial on this cluster."""
    repository, tag = image.rsplit(":", 1)
    return (
        f"image.repository={repository}",
        f"image.tag={tag}",
        "demo.enabled=true",
        f"demo.postgresql.image={cluster.image('postgres')}",
        f"demo.minio.image={cluster.image('minio')}",
        "schedule.enabled=false",
        "flows.synthetic=20000",
    )


@pytest.fixture(scope="session")
def installed(cluster: Cluster, settings: tuple[str, ...]) -> Iterator[tuple[Release, float]]:
    """A release, installed from nothing, and how long that took."""
    with namespace(cluster, "cybersec-test") as own:
        release, start = Release(own, settings), time.monotonic()
        done = release.helm("install")
        seconds = time.monotonic() - start
        assert done.returncode == 0, done.stderr + own.kubectl("get", "pods")
        yield release, seconds


@pytest.fixture(scope="session")
def release(installed: tuple[Release, float]) -> Release:
    """The release alone."""
    return installed[0]


@pytest.fixture(scope="module")
def slow(release: Release) -> Release:
    """The release with days so large that a run can be met in the middle, and a short start time-out."""
    return release.upgrade(*SLOW)
