"""A check of an audit without damage has no findings."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.audit.journal.journal import FAILED, SUCCESS, Journal
from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.postgres.database import Database
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.verify.history import Author, public_text
from cybersec_assets_tests.support.verify.scene import admin, copy_of
from cybersec_assets_tests.unit.audit.verify.conftest import server_of

KEY = Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def empty(postgres):
    """Return a database with the schema and no rows."""
    url = server_of(postgres, "empty_history")
    connect(url).close()
    return url


@pytest.fixture
def blank(empty, tmp_path):
    """Yield an audit without entries."""
    made = copy_of(empty, tmp_path, [public_text(KEY)])
    yield made
    made.engine.dispose()
    admin(empty, f"DROP DATABASE {made.engine.url.database}")


def author_of(scene, seed=0, key=KEY):
    """Return a writer of an audit, with its own connection."""
    return Author(Journal(Database(scene.engine.url)), scene.store, key, random.Random(seed))


@pytest.mark.parametrize("seed", range(20))
def test_a_clean_history(blank, seed):
    author = author_of(blank, seed)
    rng = random.Random(seed)
    author.write(rng.randrange(1, 25))
    for number in range(rng.randrange(3)):
        author.start(number)
    author.journal.database.close()
    assert blank.check() == []
    moment = rng.choice(blank.entries()).at
    assert blank.check(moment) == []


def test_an_empty_audit(blank):
    assert blank.check() == []


def test_entries_after_the_last_head(blank):
    author = author_of(blank)
    author.write(6)
    author.write(6, signed=False)
    author.journal.database.close()
    assert blank.last() > blank.covered()
    assert blank.check() == []


def test_a_head_that_comes_late(blank):
    """While the store could not be reached no head was signed; the next head covers all entries since."""
    author = author_of(blank)
    author.write(6, signed=False)
    author.write(2)
    author.journal.database.close()
    assert min(blank.counts().values()) > 12
    assert blank.check() == []


def test_heads_of_two_writers(blank):
    """Two writers that sign in turn number their heads without a gap."""
    two = [author_of(blank, seed) for seed in (1, 2)]
    for number in range(8):
        author = two[number % 2]
        author.end(author.start(number), FAILED)
    for author in two:
        author.journal.database.close()
    assert sorted(blank.counts()) == list(range(1, 9))
    assert blank.check() == []


def test_a_history_without_heads_is_a_finding(blank):
    """One success may still lack its head, but two may not."""
    author = author_of(blank)
    author.end(author.start(0), SUCCESS, signed=False)
    assert blank.check() == []
    author.end(author.start(1), SUCCESS, signed=False)
    author.journal.database.close()
    assert blank.check() == [("head-missing", "audit-heads", 1)]


class Meanwhile(FolderStore):
    """A folder store that calls a function before it reads the first object."""

    call = None

    def chunks(self, bucket, name):
        """Call the function, and read."""
        call = self.call
        self.call = None
        if call:
            call()
        return super().chunks(bucket, name)


def test_phases_and_heads_that_are_written_during_a_check(blank, monkeypatch):
    author = author_of(blank)
    author.write(10)
    before = blank.last()
    watched = Meanwhile(blank.home / "store")
    watched.call = lambda: author.write(5)
    monkeypatch.setattr(type(blank), "store", watched)
    assert blank.check() == []
    assert blank.last() > before
    monkeypatch.undo()
    author.journal.database.close()
    assert blank.check() == []
