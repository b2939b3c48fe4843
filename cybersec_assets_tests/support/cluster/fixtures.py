"""Fixtures for Helm, its renderings, and a cluster."""

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
from cybersec_assets_tests.support.cluster.tool import built_tool

REPOSITORY = "localhost/cybersec-assets"
TAG = "test"
MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that adds a line to the summary. Measurements depend on the machine and are not asserted."""
    return request.config.stash.setdefault(MEASURED, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report the measurements."""
    for line in config.stash.get(MEASURED, []):
        terminalreporter.line(line)


@pytest.fixture(scope="session")
def helm_program(cluster_tool: Path) -> Path:
    """Return Helm's program, which is built if it is missing."""
    return built_tool(cluster_tool, "helm")


@pytest.fixture
def helm(helm_program: Path, tmp_path: Path) -> Helm:
    """Return Helm with a folder for values."""
    return Helm(helm_program, tmp_path)


@pytest.fixture(params=[DEMO, OWN], ids=["demo", "own"])
def values(request: pytest.FixtureRequest):
    """Return the values of a demo, and of an installation with its own stores and every option enabled."""
    return request.param


@pytest.fixture
def manifests(helm: Helm, values):
    """Return the manifests that the chart renders."""
    return helm.manifests(values)


@pytest.fixture(scope="session")
def cluster(cluster_tool: Path) -> Iterator[Cluster]:
    """Return the running cluster, or start one and stop it after the tests."""
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
    """Return the project's image: that of CYBERSEC_TEST_IMAGE, or one that is built from this checkout."""
    given = os.environ.get("CYBERSEC_TEST_IMAGE")
    if given:
        return given
    name = f"{REPOSITORY}:{TAG}"
    subprocess.run([cluster.tool, "build", CHECKOUT, name], check=True, timeout=1800)
    return name


@pytest.fixture(scope="session")
def settings(cluster: Cluster, image: str) -> tuple[str, ...]:
    """Return the values of a demo on this cluster."""
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
    """Install a release, and return it with the seconds that this took."""
    with namespace(cluster, "cybersec-test") as own:
        release = Release(own, settings)
        start = time.monotonic()
        done = release.helm("install")
        seconds = time.monotonic() - start
        assert done.returncode == 0, done.stderr + own.kubectl("get", "pods")
        yield release, seconds


@pytest.fixture(scope="session")
def release(installed: tuple[Release, float]) -> Release:
    """Return the installed release."""
    return installed[0]


@pytest.fixture(scope="module")
def slow(release: Release) -> Release:
    """Return the release with days large enough to interrupt a run, and a short start timeout."""
    return release.upgrade(*SLOW)
