"""Heads are numbered without a gap by whoever writes them, and what lies in the store stops nobody."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.audit.heads.head import PREFIX as HEADS
from cybersec_assets.audit.heads.head import PURPOSE, count_in, head_name, number_of
from cybersec_assets.errors import StoreError
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.audit.memory_store import (
    BUCKET,
    HASH,
    KEY,
    PUBLIC,
    MemoryStore,
    head_of,
    heads_of,
    make_keeper,
)

FEW_QUESTIONS = 30
WRITERS = 6


def counts_of(store):
    """Give the counts of a store's heads by their numbers, in order."""
    return {number_of(name): count_in(content, PUBLIC) for name, content in sorted(store.objects.items())}


def written_head(text, key=KEY):
    """Write an object that has a head's form and whatever text, rightly signed."""
    signature = base64.b64encode(key.sign(PURPOSE + text.encode())).decode()
    return json.dumps({"head": text, "key": "", "signature": signature}).encode()


def assert_follows(store, number):
    """See that one more head gets the number after the last one's."""
    before = set(store.objects)
    make_keeper(store).put(10**9, HASH)
    assert set(store.objects) - before == {head_name(number + 1)}


def test_numbers_go_up_by_one():
    """Each head has the number after the last, from 1, and says so itself."""
    store = MemoryStore()
    keeper = make_keeper(store)
    for count in (2, 4, 6):
        keeper.put(count, HASH)
    assert counts_of(store) == {1: 2, 2: 4, 3: 6}
    told = [json.loads(json.loads(content)["head"]) for content in store.objects.values()]
    assert [(head["number"], head["hash"]) for head in told] == [(1, HASH), (2, HASH), (3, HASH)]


@given(puts=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40)), max_size=20))
def test_counts_never_go_back_whoever_writes(puts):
    """Of three writers in any order numbers have no gap, counts only go up, and the greatest count is covered."""
    store = MemoryStore()
    keepers = [make_keeper(store) for _ in range(3)]
    for writer, count in puts:
        keepers[writer].put(count, HASH)
    counts = counts_of(store)
    assert list(counts) == list(range(1, len(counts) + 1))
    assert list(counts.values()) == sorted(set(counts.values()))
    assert max(counts.values(), default=0) == max((count for _, count in puts), default=0)


@pytest.mark.parametrize("count", [5, 4])
def test_what_is_covered_is_not_signed_again(count):
    """A head that covers as much or more makes another one needless."""
    store = MemoryStore(heads_of({1: 5}))
    make_keeper(store).put(count, HASH)
    assert list(store.objects) == [head_name(1)]


@given(numbers=st.sets(st.integers(1, 60_000), max_size=60))
def test_gaps_hide_no_number(numbers):
    """Wherever heads are missing below it, the greatest number is found, in a few questions."""
    store = MemoryStore(heads_of(dict.fromkeys(numbers, 1)))
    assert_follows(store, max(numbers, default=0))
    assert store.questions <= FEW_QUESTIONS


@pytest.mark.parametrize("last", [1, 999, 1000, 1001, 1999, 2000, 2001, 2999, 3000, 7000, 7001, 20_000])
@pytest.mark.parametrize("gap", [range(0), range(1, 1500), range(500, 6500), range(1000, 1001)])
def test_thousands_of_heads_are_not_read_one_by_one(last, gap):
    """With thousands of names, with and without gaps of thousands, the last is found in a few questions."""
    one = head_of(1, 1)
    store = MemoryStore(
        {head_name(number): one for number in range(1, last + 1) if number not in gap or number == last}
    )
    assert_follows(store, last)
    assert store.questions <= FEW_QUESTIONS


def test_a_keeper_goes_on_from_where_it_was():
    """The search begins at the last number that was found, so that a run's later heads cost little."""
    store = MemoryStore(heads_of(dict.fromkeys(range(1, 5001), 1)))
    keeper = make_keeper(store)
    keeper.put(2, HASH)
    first = store.questions
    keeper.put(3, HASH)
    assert store.questions - first == 2 < first


class Raced(MemoryStore):
    """A store in which another writer takes a name just before it is asked for, once."""

    def __init__(self, other):
        """Note how many entries the other writer's head covers."""
        super().__init__()
        self.other = other

    def create(self, bucket, name, file, fingerprint):
        """Let the other writer in first."""
        if self.other:
            self.objects[name], self.other = head_of(number_of(name), self.other), 0
        return super().create(bucket, name, file, fingerprint)


@pytest.mark.parametrize(("other", "expected"), [(3, {1: 3, 2: 4}), (4, {1: 4}), (5, {1: 5})])
def test_a_taken_number_gives_way(other, expected):
    """Who finds the number taken takes the next, unless the other's head covers as much."""
    store = Raced(other)
    make_keeper(store).put(4, HASH)
    assert counts_of(store) == expected


def test_many_writers_at_once_leave_no_gap(tmp_path):
    """Keepers that sign at the same time get a number each, and counts go up with the numbers."""
    store = FolderStore(tmp_path)

    def sign(first):
        keeper = make_keeper(store)
        for count in range(first, 40, WRITERS):
            keeper.put(count, HASH)

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(sign, range(1, WRITERS + 1)))
    names = [entry.name for entry in store.entries(BUCKET)]
    counts = [count_in(b"".join(store.chunks(BUCKET, name)), PUBLIC) for name in names]
    assert names == [head_name(number) for number in range(1, len(names) + 1)]
    assert counts == sorted(set(counts))
    assert counts[-1] == 39


DAMAGED = [
    *(b"", b"no json", b"\xff\xfe", b"[]", b"{}", b"null", b'{"head": 1}', b'{"head": {}}', b'{"head": "[]"}'),
    *(written_head(text) for text in ("", "{}", "null", '{"count":null}', '{"count":"x"}', '{"count":NaN}')),
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_last_head_stops_nobody(content):
    """Whatever the last head's bytes are, the next one is signed and the damaged one is left for the verifier."""
    store = MemoryStore(heads_of({1: 2}) | {head_name(2): content})
    assert_follows(store, 2)
    assert store.objects[head_name(2)] == content


@given(content=st.binary(max_size=40) | st.text(max_size=40).map(written_head))
def test_no_bytes_stop_the_next_head(content):
    """The same for bytes and texts that nobody thought of."""
    assert_follows(MemoryStore({head_name(1): content}), 1)


STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
HARMFUL = {
    "a count beyond all numbers": written_head('{"count":1e999}', STRANGER),
    "a count beyond all entries": head_of(1, 10**15, STRANGER),
    "brackets without end": b"[" * 100_000,
    "signed brackets without end": written_head("[" * 100_000),
}


@pytest.mark.parametrize("content", HARMFUL.values(), ids=HARMFUL)
def test_a_head_that_was_made_to_harm_stops_nobody(content):
    """What claims much that our key did not sign, or cannot be read for its depth, is damage like any other."""
    assert_follows(MemoryStore({head_name(1): content}), 1)


def test_a_last_head_that_goes_meanwhile_stops_nobody():
    """A head that is listed but gone when it is read covers nothing, and its number stays its own."""

    class Leaky(MemoryStore):
        def chunks(self, bucket, name):
            self.objects.pop(name, None)
            return super().chunks(bucket, name)

    store = Leaky(heads_of({1: 2, 2: 4}))
    make_keeper(store).put(6, HASH)
    assert counts_of(store) == {1: 2, 3: 6}


@pytest.mark.parametrize("name", ["readme.txt", "x.json", ".000000000001.json.0123", "000000000002.json.bak"])
def test_other_objects_among_the_heads_do_not_count(name):
    """A name that is no head's changes no number."""
    store = MemoryStore(heads_of({1: 2, 2: 4}) | {f"{HEADS}{name}": b""})
    assert_follows(store, 2)


@pytest.mark.parametrize("name", ["5.json", "0000000000005.json", "٣.json"])
def test_a_number_in_another_spelling_does_not_count(name):
    """A name that no head of any number would have is no head's, though a number can be read off it."""
    store = MemoryStore(heads_of({1: 2, 2: 4}) | {f"{HEADS}{name}": b""})
    assert_follows(store, 2)


def test_a_head_of_the_greatest_number_is_named():
    """Where somebody took the last number that a name can hold, the error says to remove it, instead of asking on."""
    store = MemoryStore({head_name(10**12 - 1): b""})
    with pytest.raises(StoreError, match=r"a head 999999999999 in test-eval\. Remove it"):
        make_keeper(store).put(1, HASH)
    assert store.questions <= FEW_QUESTIONS * 2


def test_a_number_that_could_not_be_taken_stays_free():
    """A store that refuses a head and then takes the next one leaves no gap, which a verifier would call a loss."""

    class Weak(MemoryStore):
        weak = True

        def create(self, *head):
            if self.weak:
                raise StoreError("no room", "Make room")
            return super().create(*head)

    store = Weak(heads_of({1: 2}))
    keeper = make_keeper(store)
    with pytest.raises(StoreError, match="no room"):
        keeper.put(4, HASH)
    store.weak = False
    keeper.put(6, HASH)
    assert counts_of(store) == {1: 2, 2: 6}


def test_a_store_that_is_away_is_told(tmp_path):
    """A store that refuses is the caller's matter."""
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(StoreError, match="refused"):
        make_keeper(FolderStore(tmp_path / "store")).put(1, HASH)
