"""A check with `since` begins in the middle, finds the damage from there on, and reports nothing else."""

import datetime as dt

import pytest

from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets_tests.support.verify import event_damage, journal_damage, store_damage
from cybersec_assets_tests.support.verify.history import PREFIX
from cybersec_assets_tests.unit.audit.verify.test_damage import assert_found

LOCAL = (*journal_damage.LOCAL, *event_damage.LOCAL, *store_damage.OBJECTS, *store_damage.HEADS)


@pytest.fixture
def middle(broken):
    """Return the time of the entry in the middle; later entries may be damaged."""
    entries = broken.entries()
    entry = entries[len(entries) // 2]
    broken.first = entry.seq + 2
    return entry.at


@pytest.mark.parametrize("damage", LOCAL, ids=lambda damage: damage.__name__)
def test_damage_after_the_beginning(broken, middle, damage):
    assert_found(broken, damage, since=middle, places=5)


def test_less_is_read(scene):
    quick = Verifier(scene.engine, scene.store, PREFIX, scene.trusted)
    whole = Verifier(scene.engine, scene.store, PREFIX, scene.trusted)
    entries = scene.entries()
    assert [*quick.findings(entries[len(entries) // 2].at), *whole.findings()] == []
    for part in ("entries", "heads", "objects"):
        assert 0 < getattr(quick.counts, part) < getattr(whole.counts, part)


@pytest.mark.parametrize("microseconds", [-1, 0, 1])
def test_any_beginning(broken, microseconds):
    """A clean history has no findings, whether the check begins at an entry or just before or after one."""
    for entry in broken.entries():
        assert broken.check(entry.at + dt.timedelta(microseconds=microseconds)) == []


def test_a_tail_cut_off_before_the_beginning(broken, middle):
    last = broken.first - 2
    broken.sql(f"DELETE FROM public.audit_journal WHERE seq >= {last}")
    broken.events(f"DELETE FROM {{}} WHERE journal_seq >= {last}")
    assert broken.check(middle) == [("tail-cut", "audit_journal", last - 1)]


def test_all_heads_deleted(broken, middle):
    for number in broken.counts():
        broken.put(broken.head(number), None)
    assert broken.check(middle) == [("head-missing", "audit-heads", 1)]


def test_earlier_damage_is_only_found_by_a_whole_check(broken, middle):
    early = broken.sql("SELECT * FROM public.audit_journal WHERE seq = 3")[0].seq
    broken.sql(f"UPDATE public.audit_journal SET run_id = 'forged' WHERE seq = {early}")
    assert broken.check(middle) == []
    assert broken.check() == [journal_damage.changed(early)]


def test_forged_times_do_not_hide_new_entries(broken, middle):
    """Entries with earlier times are checked as well, since a check begins behind a signed head."""
    broken.sql(f"UPDATE public.audit_journal SET at = at - interval '1 day' WHERE seq >= {broken.first - 2}")
    late = [("row-changed", "audit_journal", entry.seq) for entry in broken.entries()]
    assert set(late) <= set(broken.check(middle))


def test_the_check_begins_behind_a_signed_head(broken, middle):
    """A consistent change of the earlier entries contradicts this head."""
    head = max(count for count in broken.counts().values() if count < broken.first - 2)
    broken.sql(f"UPDATE public.audit_journal SET run_id = 'forged' WHERE seq = {head}")
    broken.events(f"UPDATE {{}} SET run_id = 'forged' WHERE journal_seq = {head}")
    broken.sql(journal_damage.RECHAIN.format(first=head, last=broken.last()))
    assert journal_damage.changed(head) in broken.check(middle)
