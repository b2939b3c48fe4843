"""An audit for one test, in real PostgreSQL and a folder store."""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cybersec_assets.audit.heads.keys import signing_key
from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.definitions import audit_from
from cybersec_assets.postgres.database import Database
from cybersec_assets.settings import Settings, load_settings
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.audit.servers import Server
from cybersec_assets_tests.support.servers.servers import HOST
from cybersec_assets_tests.support.verify.history import PREFIX, Author
from cybersec_assets_tests.unit.audit.verify.conftest import history  # noqa: F401 - a fixture


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Yield a fresh database with its schema."""
    with audit_from(settings).session() as resource:
        yield resource.connect()


@pytest.fixture
def author(settings: Settings, database: Database) -> Author:
    """Return a writer of phases with objects and heads."""
    home = settings.home
    return Author(Journal(database), FolderStore(home / "store"), signing_key(home, None), random.Random(5))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that PostgreSQL's user may enter; pytest's own is closed to others."""
    made = Path(tempfile.mkdtemp(prefix="cybersec-faults-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    """Yield a PostgreSQL server with passwords that only this test uses."""
    made = Server(folder / "postgres")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """Return a function that names a server in the environment and returns the settings."""

    def name(server: Server, **others: str) -> Settings:
        own = {"PG_HOST": HOST, "PG_PORT": str(server.port), "PG_USER": server.user, "PG_PASSWORD": server.password}
        own |= {"PG_DATABASE": "audited", "CYBERSEC_HOME": str(tmp_path / "home")}
        own |= {"CYBERSEC_SCRATCH": str(tmp_path / "scratch"), "CYBERSEC_SYNTHETIC_FLOWS": "500"}
        for variable, value in (own | {"CYBERSEC_BUCKET_PREFIX": PREFIX} | others).items():
            monkeypatch.setenv(variable, value)
        return load_settings()

    return name
