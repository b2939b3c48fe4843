"""Fixtures and hooks of all tests: marks by folder, one PostgreSQL for the session, and settings for each test."""

import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cybersec_assets.audit.heads.head import BUCKET, PREFIX
from cybersec_assets.cli import app as cli
from cybersec_assets.definitions import audit_from, build_definitions
from cybersec_assets.postgres.embedded import embedded_postgres
from cybersec_assets.settings import Settings, load_settings
from cybersec_assets_tests.support.cluster.tool import cluster_program, missing_cluster

OURS = ("AUDIT_", "CYBERSEC_", "MINIO_", "PG_", "FLOWS_", "FEATURE_SET", "DAGSTER_HOME", "AWS_")
TESTS = Path(__file__).parent
CHECKOUT = TESTS.parent
DAY = "2026-01-02"
HEADS = PREFIX.rstrip("/")
FOLDER_MARKS = {
    "integration/stack": "stack",
    "crash/test_controls.py": "stack",
    "crash": "crash",
    "chart": "render",
    "cluster": "k8s",
}
"""The mark of each folder or file. The first match counts, and a mark in a test itself takes precedence."""
MakeSettings = Callable[..., Settings]


def stored_files(settings: Settings) -> list[Path]:
    """Return the objects in a test's folder store, without the audit's heads."""
    files = [path for path in (settings.home / "store").rglob("*") if path.is_file()]
    return sorted(path for path in files if path.parent.name != HEADS)


def head_files(settings: Settings) -> list[Path]:
    """Return the audit's heads in a test's folder store."""
    return sorted((settings.home / "store").glob(f"*-{BUCKET}/{HEADS}/*"))


def skip_unless_ci(reason: str) -> None:
    """Skip a test, or fail it in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def pytest_configure() -> None:
    """Restore the handler of SIGINT: a shell that starts pytest with `&` ignores it, also in the processes of tests."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder, before `-m` selects tests."""
    for item in items:
        mark = next((mark for place, mark in FOLDER_MARKS.items() if item.path.is_relative_to(TESTS / place)), None)
        if mark is not None and not any(item.get_closest_marker(name) for name in FOLDER_MARKS.values()):
            item.add_marker(mark)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run where most of the selected tests would be skipped, as such a run would end with success.

    Raises:
        pytest.UsageError: They need the program `cluster`, and it is missing.
    """
    needing = sum("cluster_tool" in getattr(item, "fixturenames", ()) for item in session.items)
    missing = missing_cluster()
    if missing is not None and 2 * needing > len(session.items) and not session.config.option.collectonly:
        raise pytest.UsageError(f"{needing} of {len(session.items)} tests need the program `cluster`: {missing}")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's own settings, except those of the tests themselves."""
    for name in [name for name in os.environ if name.startswith(OURS) and not name.startswith("CYBERSEC_TEST_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """Start a PostgreSQL server for the session, and yield its socket folder."""
    # As root, PostgreSQL runs as another user, who has no access to pytest's temporary folders.
    home = Path(tempfile.mkdtemp(prefix="cybersec-tests-"))
    home.chmod(0o755)
    with embedded_postgres(home) as folder:
        yield folder
    shutil.rmtree(home)


@pytest.fixture
def make_settings(tmp_path: Path, postgres: Path) -> MakeSettings:
    """Return a function that makes settings with a home, a scratch folder and a database of the test's own."""
    own = {
        "CYBERSEC_HOME": tmp_path / "home",
        "CYBERSEC_SCRATCH": tmp_path / "scratch",
        "CYBERSEC_SYNTHETIC_FLOWS": 2_000,
        "PG_HOST": str(postgres),
        "PG_DATABASE": f"test_{uuid.uuid4().hex}",
    }
    return lambda **overrides: load_settings(**(own | {name.upper(): value for name, value in overrides.items()}))


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    """Return settings of the test's own."""
    return make_settings()


@pytest.fixture
def materialize():
    """Return a function that materializes assets of a day, and returns Dagster's result and the audit's rows."""

    def run(settings, selection=None, run_config=None, partition_key=DAY):
        job = build_definitions(settings).resolve_job_def("daily_training")
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(
                partition_key=partition_key,
                instance=instance,
                raise_on_error=False,
                run_config=run_config,
                asset_selection=selection and [dg.AssetKey(key.split("/")) for key in selection],
            )
        with audit_from(settings).session() as audit:
            return result, audit.ask().of_run(result.run_id)

    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real flow logs: `CYBERSEC_TEST_DATA`, or `shared/data` beside the checkout."""
    folder = Path(os.environ.get("CYBERSEC_TEST_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        skip_unless_ci(f"no real flow logs in {folder}: set CYBERSEC_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def cluster_tool() -> Path:
    """Return the program `cluster`, which builds Helm and MinIO and starts a cluster."""
    missing = missing_cluster()
    if missing is not None:
        skip_unless_ci(missing)
    return cluster_program()


@pytest.fixture
def cybersec(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command in this process, and returns its exit status and output."""
    # The command sets DAGSTER_HOME. Setting it here first makes monkeypatch remove it after the test.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cybersec", *arguments])
        status: Any = 0
        try:
            cli.main()
        except SystemExit as ended:
            status = ended.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """Return all variables of processes that share the test's home and a DAGSTER_HOME."""
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return {
        "PATH": os.defpath,
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "CYBERSEC_HOME": str(settings.home),
        "CYBERSEC_SCRATCH": str(settings.run.scratch),
        "CYBERSEC_SYNTHETIC_FLOWS": "2000",
        "PG_HOST": str(settings.postgres.host),
        "PG_DATABASE": settings.postgres.database,
    }


@pytest.fixture
def in_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of the test's home and database, and a small number of flows."""
    monkeypatch.setenv("CYBERSEC_HOME", str(settings.home))
    monkeypatch.setenv("CYBERSEC_SYNTHETIC_FLOWS", "3000")
    monkeypatch.setenv("PG_HOST", str(settings.postgres.host))
    monkeypatch.setenv("PG_DATABASE", settings.postgres.database)
