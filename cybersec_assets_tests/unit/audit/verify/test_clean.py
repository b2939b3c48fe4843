"""Nothing that the writer does by itself is taken for damage."""

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
    """A database with the schema, and nothing in it."""
    url = server_of(postgres, "empty_history")
    connect(url).close()
    return url


@pytest.fixture
def blank(empty, tmp_path):
    """An audit in which nothing has happened yet."""
    made = copy_of(empty, tmp_path, [public_text(KEY)])
    yield made
    made.engine.dispose()
    admin(empty, f"DROP DATABASE {made.engine.url.database}")


def author_of(scene, seed=0, key=KEY):
    """Give a writer of its own to an audit."""
    return Author(Journal(Database(scene.engine.url)), scene.store, key, random.Random(seed))


@pytest.mark.parametrize("seed", range(20))
def test_a_clean_history(blank, seed):
    """No finding comes of a history of any length, whatever ends its phases have, with some open ones at its end."""
    author, rng = author_of(blank, seed), random.Random(seed)
    author.write(rng.randrange(1, 25))
    for number in range(rng.randrange(3)):
        author.start(number)
    author.journal.database.close()
    assert blank.check() == []
    moment = rng.choice(blank.entries()).at
    assert blank.check(moment) == []


def test_nothing_at_all(blank):
    """An audit in which nothing has happened is clean."""
    assert blank.check() == []


def test_what_comes_after_the_last_head(blank):
    """Entries that no head covers yet, be they many, are no damage."""
    author = author_of(blank)
    author.write(6)
    author.write(6, signed=False)
    author.journal.database.close()
    assert blank.last() > blank.covered()
    assert blank.check() == []


def test_a_head_that_comes_late(blank):
    """A store that was away for some ends, so that the next head covers them all, is no damage."""
    author = author_of(blank)
    author.write(6, signed=False)
    author.write(2)
    author.journal.database.close()
    assert min(blank.counts().values()) > 12
    assert blank.check() == []


def test_heads_of_two_writers(blank):
    """Heads that two writers sign by turns, each asking the store for the next number, are one row without a gap."""
    two = [author_of(blank, seed) for seed in (1, 2)]
    for number in range(8):
        author = two[number % 2]
        author.end(author.start(number), FAILED)
    for author in two:
        author.journal.database.close()
    assert sorted(blank.counts()) == list(range(1, 9))
    assert blank.check() == []


def test_without_any_head_a_history_is_not_believed(blank):
    """A history of several successes without a single head is a finding; one success may still wait for its head."""
    author = author_of(blank)
    author.end(author.start(0), SUCCESS, signed=False)
    assert blank.check() == []
    author.end(author.start(1), SUCCESS, signed=False)
    author.journal.database.close()
    assert blank.check() == [("head-missing", "audit-heads", 1)]


class Meanwhile(FolderStore):
    """A folder store in whose first object's reading something happens."""

    happens = None

    def chunks(self, bucket, name):
        """Have it happen, and read."""
        happens, self.happens = self.happens, None
        if happens:
            happens()
        return super().chunks(bucket, name)


def test_what_is_written_while_the_check_reads(blank, monkeypatch):
    """Phases and heads that come while a check is under way are neither missed entries nor a contradiction."""
    author = author_of(blank)
    author.write(10)
    before = blank.last()
    watched = Meanwhile(blank.home / "store")
    watched.happens = lambda: author.write(5)
    monkeypatch.setattr(type(blank), "store", watched)
    assert blank.check() == []
    assert blank.last() > before
    monkeypatch.undo()
    author.journal.database.close()
    assert blank.check() == []
