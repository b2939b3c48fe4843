"""Heads are numbered without gaps by concurrent writers, and no object in the store prevents the next head."""

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
    make_writer,
)

WRITERS = 6


def counts_of(store):
    """Return the counts of a store's heads by their numbers, in order."""
    return {number_of(name): count_in(content, PUBLIC) for name, content in sorted(store.objects.items())}


def signed_text(text, key=KEY):
    """Return an object in the form of a head with any text and a valid signature."""
    signature = base64.b64encode(key.sign(PURPOSE + text.encode())).decode()
    return json.dumps({"head": text, "key": "", "signature": signature}).encode()


def assert_next_number(store, number):
    before = set(store.objects)
    make_writer(store).append(10**9, HASH)
    assert set(store.objects) - before == {head_name(number)}


def test_numbers_increase_by_one():
    store = MemoryStore()
    writer = make_writer(store)
    for count in (2, 4, 6):
        writer.append(count, HASH)
    assert counts_of(store) == {1: 2, 2: 4, 3: 6}
    heads = [json.loads(json.loads(content)["head"]) for content in store.objects.values()]
    assert [(head["number"], head["hash"]) for head in heads] == [(1, HASH), (2, HASH), (3, HASH)]


@given(appends=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40)), max_size=20))
def test_counts_never_decrease(appends):
    """Whatever the order of three writers, numbers have no gap, and the greatest count is covered."""
    store = MemoryStore()
    writers = [make_writer(store) for _ in range(3)]
    for writer, count in appends:
        writers[writer].append(count, HASH)
    counts = counts_of(store)
    assert list(counts) == list(range(1, len(counts) + 1))
    assert list(counts.values()) == sorted(set(counts.values()))
    assert max(counts.values(), default=0) == max((count for _, count in appends), default=0)


@pytest.mark.parametrize("count", [5, 4])
def test_a_covered_count_is_not_signed_again(count):
    store = MemoryStore(heads_of({1: 5}))
    make_writer(store).append(count, HASH)
    assert list(store.objects) == [head_name(1)]


@given(numbers=st.sets(st.integers(1, 60_000), max_size=60))
def test_the_greatest_number_is_found_above_any_gaps(numbers):
    store = MemoryStore(heads_of(dict.fromkeys(numbers, 1)))
    assert_next_number(store, max(numbers, default=0) + 1)


@pytest.mark.parametrize("last", [1, 999, 1000, 1001, 1999, 2000, 2001, 2999, 3000, 7000, 7001, 20_000])
@pytest.mark.parametrize("gap", [range(0), range(1, 1500), range(500, 6500), range(1000, 1001)])
def test_thousands_of_heads_are_listed_and_only_the_last_is_read(last, gap):
    one = head_of(1, 1)
    store = MemoryStore(
        {head_name(number): one for number in range(1, last + 1) if number not in gap or number == last}
    )
    assert_next_number(store, last + 1)
    assert store.reads == 1


def test_a_writer_lists_old_heads_once():
    store = MemoryStore(heads_of(dict.fromkeys(range(1, 5001), 1)))
    writer = make_writer(store)
    writer.append(2, HASH)
    writer.append(3, HASH)
    assert store.listed == 5000
    store.objects |= heads_of({5003: 3})
    writer.append(4, HASH)
    assert store.listed == 5001
    assert list(store.objects)[-1] == head_name(5004)


class RacingStore(MemoryStore):
    """A store in which another writer takes a name just before it is created, once."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def create(self, bucket, name, file, fingerprint):
        """Create the name as another writer would, before this one does."""
        if self.count:
            self.objects[name] = head_of(number_of(name), self.count)
            self.count = 0
        return super().create(bucket, name, file, fingerprint)


@pytest.mark.parametrize(("other", "expected"), [(3, {1: 3, 2: 4}), (4, {1: 4}), (5, {1: 5})])
def test_a_taken_number_is_skipped(other, expected):
    """The next number is used, unless the other writer's head covers as much."""
    store = RacingStore(other)
    make_writer(store).append(4, HASH)
    assert counts_of(store) == expected


def test_concurrent_writers_leave_no_gap(tmp_path):
    store = FolderStore(tmp_path)

    def sign(first):
        writer = make_writer(store)
        for count in range(first, 40, WRITERS):
            writer.append(count, HASH)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(sign, range(1, WRITERS + 1)))
    names = [entry.name for entry in store.entries(BUCKET)]
    counts = [count_in(b"".join(store.chunks(BUCKET, name)), PUBLIC) for name in names]
    assert names == [head_name(number) for number in range(1, len(names) + 1)]
    assert counts == sorted(set(counts))
    assert counts[-1] == 39


DAMAGED = [
    *(b"", b"no json", b"\xff\xfe", b"[]", b"{}", b"null", b'{"head": 1}', b'{"head": {}}', b'{"head": "[]"}'),
    *(signed_text(text) for text in ("", "{}", "null", '{"count":null}', '{"count":"x"}', '{"count":NaN}')),
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_last_head_is_kept_and_the_next_one_signed(content):
    store = MemoryStore(heads_of({1: 2}) | {head_name(2): content})
    assert_next_number(store, 3)
    assert store.objects[head_name(2)] == content


@given(content=st.binary(max_size=40) | st.text(max_size=40).map(signed_text))
def test_no_content_prevents_the_next_head(content):
    assert_next_number(MemoryStore({head_name(1): content}), 2)


OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
HARMFUL = {
    "a count beyond all numbers": signed_text('{"count":1e999}', OTHER_KEY),
    "a count beyond all entries": head_of(1, 10**15, OTHER_KEY),
    "brackets without end": b"[" * 100_000,
    "signed brackets without end": signed_text("[" * 100_000),
}


@pytest.mark.parametrize("content", HARMFUL.values(), ids=HARMFUL)
def test_a_forged_head_does_not_prevent_the_next(content):
    """A head that our key did not sign, or that is nested too deeply, counts as damage."""
    assert_next_number(MemoryStore({head_name(1): content}), 2)


def test_a_last_head_that_disappears_covers_nothing():
    """Its number is not used again."""

    class LeakyStore(MemoryStore):
        def chunks(self, bucket, name):
            self.objects.pop(name, None)
            return super().chunks(bucket, name)

    store = LeakyStore(heads_of({1: 2, 2: 4}))
    make_writer(store).append(6, HASH)
    assert counts_of(store) == {1: 2, 3: 6}


@pytest.mark.parametrize(
    "name",
    [
        *("readme.txt", "x.json", ".000000000001.json.0123", "000000000002.json.bak"),
        *("5.json", "0000000000005.json", "٣.json"),
    ],
)
def test_other_names_are_ignored(name):
    store = MemoryStore(heads_of({1: 2, 2: 4}) | {f"{HEADS}{name}": b""})
    assert_next_number(store, 3)


def test_a_head_with_the_last_possible_number_is_an_error():
    store = MemoryStore({head_name(10**12 - 1): b""})
    with pytest.raises(
        StoreError, match=r"the head 999999999999 in test-eval has the last possible number\. Remove it"
    ):
        make_writer(store).append(1, HASH)


def test_a_number_stays_free_after_an_error():
    """A gap would be reported as a lost head."""

    class FailingStore(MemoryStore):
        is_failing = True

        def create(self, *head):
            if self.is_failing:
                raise StoreError("no room", "Make room")
            return super().create(*head)

    store = FailingStore(heads_of({1: 2}))
    writer = make_writer(store)
    with pytest.raises(StoreError, match="no room"):
        writer.append(4, HASH)
    store.is_failing = False
    writer.append(6, HASH)
    assert counts_of(store) == {1: 2, 2: 6}


def test_an_error_of_the_store_is_raised(tmp_path):
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(StoreError, match="failed"):
        make_writer(FolderStore(tmp_path / "store")).append(1, HASH)
