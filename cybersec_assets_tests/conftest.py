"""What all tests share: one PostgreSQL for the session, a database, a home and settings for each test."""

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
from cybersec_assets.settings import Settings

OURS = ("AUDIT_", "CYBERSEC_", "MINIO_", "PG_", "FLOWS_", "FEATURE_SET", "DAGSTER_HOME", "AWS_")
TESTS = Path(__file__).parent
CHECKOUT = TESTS.parent
DAY = "2026-01-02"
HEADS = PREFIX.rstrip("/")
MakeSettings = Callable[..., Settings]


def stored_files(settings: Settings) -> list[Path]:
    """Give the objects of a test's folder store, without the audit's heads."""
    files = [path for path in (settings.cybersec_home / "store").rglob("*") if path.is_file()]
    return sorted(path for path in files if path.parent.name != HEADS)


def head_files(settings: Settings) -> list[Path]:
    """Give the audit's heads in a test's folder store."""
    return sorted((settings.cybersec_home / "store").glob(f"*-{BUCKET}/{HEADS}/*"))


FOLDER_MARKS = {
    "integration/stack": "stack",
    "crash/test_controls.py": "stack",
    "crash": "crash",
    "chart": "render",
    "cluster": "k8s",
}
"""Which mark the tests of a folder or file get; the first that matches counts."""


def pytest_configure() -> None:
    """Hear interrupts also where a shell started the tests with `&`: what they start would be deaf to them, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder, before `-m` selects tests; a mark of its own takes precedence."""
    for item in items:
        path = item.path.relative_to(TESTS)
        mark = next((mark for place, mark in FOLDER_MARKS.items() if path.is_relative_to(place)), None)
        if mark is not None and not any(item.get_closest_marker(name) for name in FOLDER_MARKS.values()):
            item.add_marker(mark)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own settings out of the tests; the two that point to test data stay."""
    for name in [name for name in os.environ if name.startswith(OURS) and not name.startswith("CYBERSEC_TEST_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """The socket folder of a PostgreSQL server of the session's own."""
    # pytest's own temporary folders are closed to the user that PostgreSQL runs as when root runs the tests.
    home = Path(tempfile.mkdtemp(prefix="cybersec-tests-"))
    home.chmod(0o755)
    with embedded_postgres(home) as folder:
        yield folder
    shutil.rmtree(home)


@pytest.fixture
def make_settings(tmp_path: Path, postgres: Path) -> MakeSettings:
    """Make settings of a home, a folder store, a scratch parent and a database of the test's own."""
    own = {
        "cybersec_home": tmp_path / "home",
        "cybersec_scratch": tmp_path / "scratch",
        "cybersec_synthetic_flows": 2_000,
        "pg_host": str(postgres),
        "pg_database": f"test_{uuid.uuid4().hex}",
    }
    return lambda **overrides: Settings(**(own | overrides))


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    """Settings of the test's own."""
    return make_settings()


@pytest.fixture
def materialize():
    """Run some or all assets of a day, and give Dagster's result and the audit's rows of it."""

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
    """The folder of real flow logs: `CYBERSEC_TEST_DATA`, or `shared/data` beside the checkout."""
    folder = Path(os.environ.get("CYBERSEC_TEST_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        missing = f"no real flow logs in {folder}: set CYBERSEC_TEST_DATA"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return folder


@pytest.fixture
def cybersec(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process; give its exit status and what it printed."""
    # What the command sets itself goes away with the test.
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
    """Return all variables of processes that share the test's home and a `DAGSTER_HOME`."""
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return {
        "PATH": os.defpath,
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "CYBERSEC_HOME": str(settings.cybersec_home),
        "CYBERSEC_SCRATCH": str(settings.cybersec_scratch),
        "CYBERSEC_SYNTHETIC_FLOWS": "2000",
        "PG_HOST": str(settings.pg_host),
        "PG_DATABASE": settings.pg_database,
    }


@pytest.fixture
def in_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the command the test's own home and database, and few flows."""
    monkeypatch.setenv("CYBERSEC_HOME", str(settings.cybersec_home))
    monkeypatch.setenv("CYBERSEC_SYNTHETIC_FLOWS", "3000")
    monkeypatch.setenv("PG_HOST", str(settings.pg_host))
    monkeypatch.setenv("PG_DATABASE", settings.pg_database)
