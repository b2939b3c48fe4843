"""One history for all tests, and a copy of it for each test."""

import random
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from cybersec_assets.audit.heads.keys import signing_key
from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.verify.history import Author, public_text
from cybersec_assets_tests.support.verify.scene import Scene, admin, copy_of

PHASES_WRITTEN = 48
OPEN = 3
"""Open phases at the end, which no head covers."""


@dataclass
class History:
    """A history: its database, its home with store and keys, and its trusted keys."""

    url: sa.URL
    home: Path
    trusted: list[str]


def server_of(postgres: Path, database: str) -> sa.URL:
    """Return the URL of a database on the session's server."""
    return sa.URL.create("postgresql+psycopg2", "postgres", database=database, query={"host": str(postgres)})


@pytest.fixture(scope="session")
def history(postgres: Path, tmp_path_factory: pytest.TempPathFactory) -> History:
    """Write dozens of phases with signed heads, and some open phases at the end."""
    home = tmp_path_factory.mktemp("history")
    url = server_of(postgres, f"history_{uuid.uuid4().hex}")
    key = signing_key(home, None)
    database = connect(url)
    author = Author(Journal(database), FolderStore(home / "store"), key, random.Random(1))
    author.write(PHASES_WRITTEN)
    for number in range(OPEN):
        author.start(number)
    database.close()
    return History(url, home, [public_text(key)])


@pytest.fixture
def scene(history: History, tmp_path: Path) -> Iterator[Scene]:
    """Yield a copy of the history with all its protections."""
    home = tmp_path / "home"
    shutil.copytree(history.home, home)
    made = copy_of(history.url, home, history.trusted)
    yield made
    made.engine.dispose()
    admin(history.url, f"DROP DATABASE {made.engine.url.database}")


@pytest.fixture
def broken(scene: Scene) -> Scene:
    """Return a copy of the history without protections, which can be damaged and restored."""
    scene.break_open()
    return scene
