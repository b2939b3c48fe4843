"""Every end of a phase is signed in the store, and a store that cannot be reached fails no phase."""

import base64
import json

import dagster as dg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.audit.heads.head import PURPOSE
from cybersec_assets.audit.heads.keys import SIGNING_KEY, trusted_keys
from cybersec_assets.definitions import audit_from
from cybersec_assets.errors import QualityError, StoreError
from cybersec_assets.phases import RAW, SILVER
from cybersec_assets_tests.conftest import DAY, head_files

OBJECT = Artifact("s3://bucket/name", Fingerprint(1, "00" * 32))


@pytest.fixture
def audit(settings):
    with audit_from(settings).session() as resource:
        yield resource


def heads_in(settings):
    """Return the heads, after a check of their signatures with the home's key."""
    (trusted,) = trusted_keys(settings.home, None, None)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(trusted))
    documents = [json.loads(file.read_text()) for file in head_files(settings)]
    for document in documents:
        key.verify(base64.b64decode(document["signature"]), PURPOSE + document["head"].encode())
    return [json.loads(document["head"]) for document in documents]


def succeed(audit, asset=RAW.asset):
    """Run a phase that succeeds."""
    with audit.phase(asset, DAY) as phase:
        phase.facts["records"] = 5
        audit.succeed(phase, OBJECT)


def fail(audit, asset=RAW.asset, error=QualityError):
    """Run a phase that fails."""
    with pytest.raises(dg.Failure), audit.phase(asset, DAY):
        raise error("it broke", "Mend it")


def test_each_end_is_signed_with_the_journals_own_hash(audit, settings):
    """A success and a failure each leave a head of their entry, signed with the home's key."""
    ends = []
    for end in (succeed, fail):
        end(audit)
        ends.append(audit.journal().tail())
    assert [(head["number"], head["count"], head["hash"]) for head in heads_in(settings)] == [
        (1, 2, ends[0].hash),
        (2, 4, ends[1].hash),
    ]


def test_a_failure_of_the_store_is_signed_with_the_next_entry(audit, settings):
    """A failure of the store is signed with the next entry, because a second request would only delay it."""
    fail(audit, error=StoreError)
    assert head_files(settings) == []
    succeed(audit)
    assert [(head["number"], head["count"]) for head in heads_in(settings)] == [(1, 4)]


def test_a_start_is_not_signed(audit, settings):
    with audit.phase(RAW.asset, DAY):
        assert head_files(settings) == []


def test_a_days_heads_cover_its_journal(settings, materialize):
    """A day of four phases leaves four heads. The last one is of the journal's last entry."""
    materialize(settings)
    with audit_from(settings).session() as audit:
        last = audit.journal().tail()
    heads = heads_in(settings)
    assert [head["count"] for head in heads] == [2, 4, 6, 8]
    assert (heads[-1]["count"], heads[-1]["hash"]) == (last.seq, last.hash)


def test_a_rejected_head_does_not_undo_a_success(audit, settings):
    """The phase succeeds, and the next head covers its entry."""
    place = settings.home / "store"
    place.parent.mkdir()
    place.write_text("in the way")
    succeed(audit)
    assert [row["estado"] for row in audit.ask().records()] == ["SUCCESS"]
    place.unlink()
    succeed(audit, SILVER.asset)
    assert [(head["number"], head["count"]) for head in heads_in(settings)] == [(1, 4)]


def test_an_invalid_key_prevents_work(make_settings, monkeypatch):
    """An invalid key fails the phase before its body runs. The FAILED row names the variable without its value."""
    monkeypatch.setenv("AUDIT_SIGNING_KEY", "hush-hush")
    settings = make_settings()
    entered = False
    with audit_from(settings).session() as audit:
        with (
            pytest.raises(dg.Failure, match="AUDIT_SIGNING_KEY is not an Ed25519 key") as caught,
            audit.phase(RAW.asset, DAY),
        ):
            entered = True
        (row,) = audit.ask().failures()
    assert (entered, row["error"]) == (False, caught.value.description)
    assert "hush-hush" not in row["error"]
    assert head_files(settings) == []


def test_a_key_from_the_environment_signs(make_settings, monkeypatch):
    """No key is created in the home."""
    monkeypatch.setenv("AUDIT_SIGNING_KEY", base64.b64encode(bytes(range(32))).decode())
    settings = make_settings()
    with audit_from(settings).session() as audit:
        succeed(audit)
    assert not (settings.home / SIGNING_KEY).exists()
    (file,) = head_files(settings)
    assert json.loads(file.read_text())["key"] == "56475aa75463474c"
