"""What nobody but an attacker would write is a finding as well: no check ends without a word, or not at all."""

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
"""How many heads may be asked for in a history that has some dozens."""
TEXTS = {
    "no row": {"row": None},
    "a row of nothing": {"row": {}},
    "a row without a size": {"row": {"id": 1, "ruta_minio": "s3://tested-raw/x", "sha256": ""}},
    "a row with an address that is none": {"row": {"id": 1, "ruta_minio": 5, "sha256": "", "size_bytes": 1}},
}


class Watched(FolderStore):
    """A folder store that notices when it is asked without end."""

    asked = 0

    def chunks(self, bucket, name):
        """Count the question."""
        self.asked += 1
        assert self.asked < ENOUGH
        return super().chunks(bucket, name)


def first_success(scene):
    """Give an entry that tells of an object of the raw layer."""
    return next(entry for entry in scene.entries("SUCCESS") if entry.asset_key == "raw/network_events")


@pytest.mark.parametrize("said", TEXTS.values(), ids=TEXTS)
def test_a_success_that_tells_of_no_object(broken, said):
    """A SUCCESS whose text was replaced by one that names no object, its hash made right, is found to be changed."""
    entry = first_success(broken)
    text = json.dumps(json.loads(entry.body) | said)
    broken.sql("UPDATE public.audit_journal SET body = :text WHERE seq = :seq", text=text, seq=entry.seq)
    broken.sql(RECHAIN.format(first=entry.seq, last=entry.seq))
    assert {changed(entry.seq), apart(entry)} <= set(broken.check())


def test_a_success_of_an_asset_that_nobody_knows(broken):
    """A SUCCESS of an asset that the project does not have is found to be changed, and its row to be alone."""
    entry = first_success(broken)
    broken.sql(f"UPDATE public.audit_journal SET asset_key = 'raw/unknown' WHERE seq = {entry.seq}")
    broken.sql(RECHAIN.format(first=entry.seq, last=entry.seq))
    assert {changed(entry.seq), apart(entry)} <= set(broken.check())


@pytest.mark.parametrize("column", ["at", "kind", "asset_key", "attempt", "body", "prev_hash", "hash"])
def test_an_entry_without_a_value(broken, column):
    """An entry that has lost one of its values is found to be changed."""
    seq = broken.entries("STARTED")[3].seq
    broken.sql(f"UPDATE public.audit_journal SET {column} = NULL WHERE seq = {seq}")
    assert broken.check() == [changed(seq)]


@pytest.mark.parametrize("number", [0, -7])
def test_an_entry_before_the_first(broken, number):
    """An entry with a number that the journal never gives is found."""
    broken.sql(f"INSERT INTO public.audit_journal SELECT {number}, at, 'STARTED', 'x', asset_key, partition_key, "
               "attempt, body, prev_hash, hash FROM public.audit_journal WHERE seq = 1")  # fmt: skip
    assert broken.check()


def test_a_head_too_deep_to_read(broken):
    """A head of brackets without end has no right signature, like any other that cannot be read."""
    broken.put(broken.head(3), b"[" * 200_000)
    assert broken.check() == [("head-signature", "audit-heads", 3)]


def test_a_head_far_away(scene):
    """A forged head with the greatest number does not keep a quick check busy with all that is missing before it."""
    far = scene.home / "store" / f"{PREFIX}-{BUCKET}" / "audit-heads" / "999999999999.json"
    far.write_bytes(b"junk")
    middle = scene.sql("SELECT at FROM public.audit_journal ORDER BY seq DESC LIMIT 1")[0][0]
    verifier = Verifier(scene.engine, Watched(scene.home / "store"), PREFIX, scene.trusted)
    found = next(verifier.findings(middle))
    assert str(found.id) in {"head-missing", "head-signature"}


SPOILT = {
    "deep": b"[" * 200_000,
    "endless": b'{"head": "{\\"count\\": 1e999}"}',
    "not a number": b'{"head": "{\\"count\\": NaN}"}',
    "junk": b"junk",
}


@pytest.fixture
def keeper(tmp_path):
    """A writer of heads that has signed once."""
    made = HeadWriter(Watched(tmp_path), PREFIX, Ed25519PrivateKey.generate())
    made.append(2, "a" * 64)
    return made


@pytest.fixture
def heads(tmp_path):
    """The folder of its heads."""
    return tmp_path / f"{PREFIX}-{BUCKET}" / "audit-heads"


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_a_forged_last_head_does_not_stop_the_writer(keeper, heads, content):
    """Whatever somebody put behind the last head, the writer goes on with the next number; damage is the check's."""
    (heads / "000000000002.json").write_bytes(content)
    keeper.append(4, "b" * 64)
    assert len(list(heads.iterdir())) == 3


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_a_forged_head_with_the_greatest_number(keeper, heads, content):
    """Where no number is left, the writer ends with an error of the project's own, of which a run only warns."""
    forged = heads / "999999999999.json"
    forged.write_bytes(content)
    with suppress(CybersecError):
        keeper.append(4, "b" * 64)
    assert forged.read_bytes() == content


def test_a_forged_head_does_not_speak_for_later_entries(keeper, heads):
    """A head that tells, unsigned, of more entries than there are does not keep the writer from signing the next."""
    (heads / "000000000002.json").write_bytes(b'{"head": "{\\"count\\": 1000000}"}')
    keeper.append(4, "b" * 64)
    assert len(list(heads.iterdir())) == 3
