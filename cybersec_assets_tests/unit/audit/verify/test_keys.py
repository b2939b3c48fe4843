"""The verifier decides which keys are trusted. Earlier keys stay valid as long as they are listed."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.errors import SettingsError
from cybersec_assets.postgres.database import Database
from cybersec_assets_tests.support.verify.history import Author, public_text

NEW = Ed25519PrivateKey.generate()


@pytest.fixture
def rotated(scene):
    """Add phases that another key signs, and return the numbers of its heads."""
    old = set(scene.counts())
    author = Author(Journal(Database(scene.engine.url)), scene.store, NEW, random.Random(3))
    author.write(8)
    author.journal.database.close()
    return sorted(set(scene.counts()) - old)


def test_both_keys_are_trusted_in_any_order(scene, rotated):
    assert rotated
    both = [*scene.trusted, public_text(NEW)]
    for scene.trusted in (both, both[::-1]):
        assert scene.check() == []


def test_the_old_key_is_no_longer_trusted(scene, rotated):
    """After the old key is removed from the list, each of its heads is a finding."""
    scene.trusted = [public_text(NEW)]
    old = sorted(set(scene.counts()) - set(rotated))
    assert scene.check() == [("head-key", "audit-heads", number) for number in old]


def test_the_new_key_is_not_trusted_yet(scene, rotated):
    assert scene.check() == [("head-key", "audit-heads", number) for number in rotated]


def test_heads_without_a_trusted_key(scene):
    scene.trusted = []
    with pytest.raises(SettingsError, match="AUDIT_TRUSTED_KEYS"):
        scene.check()


def test_an_untrusted_head_does_not_hide_a_cut_tail(broken):
    """The tail is cut, all heads are deleted, and an unknown key signs the new end."""
    counts = broken.counts()
    for number in counts:
        broken.put(broken.head(number), None)
    broken.sql("DELETE FROM public.audit_journal WHERE seq > 20")
    broken.events("DELETE FROM {} WHERE journal_seq > 20")
    attacker = Author(Journal(Database(broken.engine.url)), broken.store, NEW, random.Random(3))
    entry = broken.entries()[-1]
    attacker.keeper.append(entry.seq, entry.hash)
    attacker.journal.database.close()
    assert broken.check() == [("head-key", "audit-heads", 1)]
