"""Every kind of damage is found at every place with the right id, and nothing else is reported."""

import random

import pytest

from cybersec_assets_tests.support.verify import event_damage, journal_damage, store_damage

PLACES = 20
JOURNAL = (*journal_damage.LOCAL, *journal_damage.WHOLE)
EVENTS = (*event_damage.LOCAL, *event_damage.WHOLE)
STORE = (*store_damage.OBJECTS, *store_damage.HEADS, store_damage.no_heads)


def assert_found(broken, damage, *, since=None, places=PLACES):
    """Assert that a kind of damage has exactly the expected findings at each of some random places."""
    missed = {}
    for place in range(places):
        broken.restore()
        expected = set(damage(broken, random.Random(place)))
        found = set(broken.check(since))
        if found != expected:
            missed[place] = (expected - found, found - expected)
    assert not missed


@pytest.mark.parametrize("damage", JOURNAL, ids=lambda damage: damage.__name__)
def test_damage_to_the_journal(broken, damage):
    assert_found(broken, damage)


@pytest.mark.parametrize("damage", EVENTS, ids=lambda damage: damage.__name__)
def test_damage_to_the_event_tables(broken, damage):
    assert_found(broken, damage)


@pytest.mark.parametrize("damage", STORE, ids=lambda damage: damage.__name__)
def test_damage_to_the_store(broken, damage):
    assert_found(broken, damage)


def test_a_restored_history_has_no_findings(broken):
    assert broken.check() == []
    for damage in (*JOURNAL, *EVENTS, *STORE):
        damage(broken, random.Random(0))
        broken.restore()
    assert broken.check() == []
