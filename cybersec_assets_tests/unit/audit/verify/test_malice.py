"""A check neither fails, hangs nor stays silent on values that only an attacker would write."""

import json
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.audit.heads.head import BUCKET
from cybersec_assets.audit.heads.writer import HeadWriter
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.errors import CybersecError
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.verify.history import PREFIX
from cybersec_assets_tests.support.verify.journal_damage import RECHAIN, changed
from cybersec_assets_tests.support.verify.scene import apart

ENOUGH = 1_000
"""The most reads that a check of some dozens of heads may need."""
TEXTS = {
    "no row": {"row": None},
    "an empty row": {"row": {}},
    "a row without a size": {"row": {"id": 1, "ruta_minio": "s3://tested-raw/x", "sha256": ""}},
    "a row with an invalid URI": {"row": {"id": 1, "ruta_minio": 5, "sha256": "", "size_bytes": 1}},
}


class Watched(FolderStore):
    """A folder store that fails after too many reads."""

    reads = 0

    def chunks(self, bucket, name):
        """Count the read."""
        self.reads += 1
        assert self.reads < ENOUGH
        return super().chunks(bucket, name)


def first_success(scene):
    """Return a SUCCESS of the raw layer."""
    return next(entry for entry in scene.entries("SUCCESS") if entry.asset_key == "raw/network_events")


@pytest.mark.parametrize("change", TEXTS.values(), ids=TEXTS)
def test_a_success_without_an_object(broken, change):
    """The body of a SUCCESS is replaced by one without an object, with the right hash."""
    entry = first_success(broken)
    text = json.dumps(json.loads(entry.body) | change)
    broken.sql("UPDATE public.audit_journal SET body = :text WHERE seq = :seq", text=text, seq=entry.seq)
    broken.sql(RECHAIN.format(first=entry.seq, last=entry.seq))
    assert {changed(entry.seq), apart(entry)} <= set(broken.check())


def test_a_success_of_an_unknown_asset(broken):
    entry = first_success(broken)
    broken.sql(f"UPDATE public.audit_journal SET asset_key = 'raw/unknown' WHERE seq = {entry.seq}")
    broken.sql(RECHAIN.format(first=entry.seq, last=entry.seq))
    assert {changed(entry.seq), apart(entry)} <= set(broken.check())


@pytest.mark.parametrize("column", ["at", "kind", "asset_key", "attempt", "body", "prev_hash", "hash"])
def test_an_entry_without_a_value(broken, column):
    seq = broken.entries("STARTED")[3].seq
    broken.sql(f"UPDATE public.audit_journal SET {column} = NULL WHERE seq = {seq}")
    assert broken.check() == [changed(seq)]


@pytest.mark.parametrize("number", [0, -7])
def test_an_entry_before_the_first(broken, number):
    """The journal never has such a number."""
    broken.sql(f"INSERT INTO public.audit_journal SELECT {number}, at, 'STARTED', 'x', asset_key, partition_key, "
               "attempt, body, prev_hash, hash FROM public.audit_journal WHERE seq = 1")  # fmt: skip
    assert broken.check()


def test_a_head_of_deeply_nested_json(broken):
    broken.put(broken.head(3), b"[" * 200_000)
    assert broken.check() == [("head-signature", "audit-heads", 3)]


def test_a_forged_head_with_a_large_number(scene):
    """A check with `since` does not read all the numbers before it."""
    far = scene.home / "store" / f"{PREFIX}-{BUCKET}" / "audit-heads" / "999999999999.json"
    far.write_bytes(b"junk")
    middle = scene.sql("SELECT at FROM public.audit_journal ORDER BY seq DESC LIMIT 1")[0][0]
    verifier = Verifier(scene.engine, Watched(scene.home / "store"), PREFIX, scene.trusted)
    found = next(verifier.findings(middle))
    assert str(found.id) in {"head-missing", "head-signature"}


INVALID = {
    "deep": b"[" * 200_000,
    "infinite": b'{"head": "{\\"count\\": 1e999}"}',
    "not a number": b'{"head": "{\\"count\\": NaN}"}',
    "junk": b"junk",
}


@pytest.fixture
def keeper(tmp_path):
    """Return a writer of heads that has signed one head."""
    made = HeadWriter(Watched(tmp_path), PREFIX, Ed25519PrivateKey.generate())
    made.append(2, "a" * 64)
    return made


@pytest.fixture
def heads(tmp_path):
    """Return the folder of its heads."""
    return tmp_path / f"{PREFIX}-{BUCKET}" / "audit-heads"


@pytest.mark.parametrize("content", INVALID.values(), ids=INVALID)
def test_a_forged_last_head_does_not_stop_the_writer(keeper, heads, content):
    """The writer continues with the next number after an invalid head, which only the check reports."""
    (heads / "000000000002.json").write_bytes(content)
    keeper.append(4, "b" * 64)
    assert len(list(heads.iterdir())) == 3


@pytest.mark.parametrize("content", INVALID.values(), ids=INVALID)
def test_a_forged_head_with_the_greatest_number(keeper, heads, content):
    """If no number is left, the writer raises an error of the project, and a run only warns."""
    forged = heads / "999999999999.json"
    forged.write_bytes(content)
    with suppress(CybersecError):
        keeper.append(4, "b" * 64)
    assert forged.read_bytes() == content


def test_an_unsigned_head_does_not_cover_later_entries(keeper, heads):
    """The writer signs the next head although an unsigned one claims to cover more entries."""
    (heads / "000000000002.json").write_bytes(b'{"head": "{\\"count\\": 1000000}"}')
    keeper.append(4, "b" * 64)
    assert len(list(heads.iterdir())) == 3
