"""An audit of the test's own, in real PostgreSQL and a folder store."""

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
    """A fresh database with its schema."""
    with audit_from(settings).session() as resource:
        yield resource.connect()


@pytest.fixture
def author(settings: Settings, database: Database) -> Author:
    """What writes phases with objects and heads to it."""
    home = settings.home
    return Author(Journal(database), FolderStore(home / "store"), signing_key(home, None), random.Random(5))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user who PostgreSQL runs as may pass through; pytest's own is closed to others."""
    made = Path(tempfile.mkdtemp(prefix="cybersec-faults-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    """A PostgreSQL with passwords that the test may do anything to."""
    made = Server(folder / "postgres")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """Name a server in the environment, as a user does; give the settings that come of it."""

    def name(server: Server, **others: str) -> Settings:
        own = {"PG_HOST": HOST, "PG_PORT": str(server.port), "PG_USER": server.user, "PG_PASSWORD": server.password}
        own |= {"PG_DATABASE": "audited", "CYBERSEC_HOME": str(tmp_path / "home")}
        own |= {"CYBERSEC_SCRATCH": str(tmp_path / "scratch"), "CYBERSEC_SYNTHETIC_FLOWS": "500"}
        for variable, value in (own | {"CYBERSEC_BUCKET_PREFIX": PREFIX} | others).items():
            monkeypatch.setenv(variable, value)
        return load_settings()

    return name
