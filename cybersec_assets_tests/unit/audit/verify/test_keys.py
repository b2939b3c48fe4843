"""Which keys are trusted is the verifier's matter: keys that were used before stay good as long as they are listed."""

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
    """A history in which another key signs from some day on; the heads that it signed."""
    old = set(scene.counts())
    author = Author(Journal(Database(scene.engine.url)), scene.store, NEW, random.Random(3))
    author.write(8)
    author.journal.database.close()
    return sorted(set(scene.counts()) - old)


def test_both_keys_are_trusted(scene, rotated):
    """After a rotation the heads of both keys are right, in whichever order the list has them."""
    assert rotated
    both = [*scene.trusted, public_text(NEW)]
    for scene.trusted in (both, both[::-1]):
        assert scene.check() == []


def test_the_old_key_is_trusted_no_more(scene, rotated):
    """A key that was taken off the list makes a finding of each head that it signed, and of no other."""
    scene.trusted = [public_text(NEW)]
    old = sorted(set(scene.counts()) - set(rotated))
    assert scene.check() == [("head-key", "audit-heads", number) for number in old]


def test_the_new_key_is_not_trusted_yet(scene, rotated):
    """A key that nobody put on the list makes a finding of each head that it signed, and of no other."""
    assert scene.check() == [("head-key", "audit-heads", number) for number in rotated]


def test_no_key_at_all(scene):
    """Where there are heads and no key is trusted, the check is refused with the name of what is to be set."""
    scene.trusted = []
    with pytest.raises(SettingsError, match="AUDIT_TRUSTED_KEYS"):
        scene.check()


def test_what_an_untrusted_head_says_is_not_believed(broken):
    """A rewritten tail, signed anew by a stranger, is told by the stranger's key where every old head was replaced."""
    counts = broken.counts()
    for number in counts:
        broken.put(broken.head(number), None)
    broken.sql("DELETE FROM public.audit_journal WHERE seq > 20")
    broken.events("DELETE FROM {} WHERE journal_seq > 20")
    stranger = Author(Journal(Database(broken.engine.url)), broken.store, NEW, random.Random(3))
    entry = broken.entries()[-1]
    stranger.keeper.append(entry.seq, entry.hash)
    stranger.journal.database.close()
    assert broken.check() == [("head-key", "audit-heads", 1)]
