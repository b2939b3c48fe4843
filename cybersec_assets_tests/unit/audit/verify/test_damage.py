"""Every kind of damage is found wherever it is, called by its name, and nothing else is accused."""

import random

import pytest

from cybersec_assets_tests.support.verify import event_damage, journal_damage, store_damage

PLACES = 20
JOURNAL = (*journal_damage.LOCAL, *journal_damage.WHOLE)
EVENTS = (*event_damage.LOCAL, *event_damage.WHOLE)
STORE = (*store_damage.OBJECTS, *store_damage.HEADS, store_damage.no_heads)


def assert_found(broken, damage, *, since=None, places=PLACES):
    """Do a kind of damage at a place after the other, and see what is said of each."""
    missed = {}
    for place in range(places):
        broken.restore()
        expected, found = set(damage(broken, random.Random(place))), set(broken.check(since))
        if found != expected:
            missed[place] = (expected - found, found - expected)
    assert not missed


@pytest.mark.parametrize("damage", JOURNAL, ids=lambda damage: damage.__name__)
def test_damage_to_the_journal(broken, damage):
    """Each kind of damage to the journal is found at each of twenty places, by the id and the row that are its own."""
    assert_found(broken, damage)


@pytest.mark.parametrize("damage", EVENTS, ids=lambda damage: damage.__name__)
def test_damage_to_the_event_tables(broken, damage):
    """Each kind of damage to an event table is found at each of twenty places, by the row that it befell."""
    assert_found(broken, damage)


@pytest.mark.parametrize("damage", STORE, ids=lambda damage: damage.__name__)
def test_damage_to_the_store(broken, damage):
    """Each kind of damage to objects and heads is found at each of twenty places, by the row or the head's number."""
    assert_found(broken, damage)


def test_what_is_not_damaged_is_not_accused(broken):
    """The same database without its defences, and restored after damage, is found to be clean."""
    assert broken.check() == []
    for damage in (*JOURNAL, *EVENTS, *STORE):
        damage(broken, random.Random(0))
        broken.restore()
    assert broken.check() == []
