"""The signing key is created once, belongs to its owner only, and is never printed."""

import base64
import multiprocessing
import os
import secrets
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.audit.heads.keys import SIGNING_KEY, TRUSTED_KEYS, signing_key, trusted_keys
from cybersec_assets.errors import SettingsError
from cybersec_assets.home.audit_folder import decode_key, public_half
from cybersec_assets.home.folders import MARKER

RACERS = 8


def make_text():
    """Return a key as `openssl rand -base64 32` prints it."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def raw_of(home):
    """Return the bytes of a home's signing key; this function is sent to other processes."""
    return signing_key(home, None).private_bytes_raw()


def listed(home):
    """Return the lines of the home's trusted keys."""
    return (home / TRUSTED_KEYS).read_text().splitlines()


@pytest.fixture
def home(tmp_path):
    """Return a home that does not exist yet."""
    return tmp_path / "home"


def test_a_key_is_created_once(home):
    first = raw_of(home)
    assert raw_of(home) == first
    assert sorted(path.name for path in (home / "audit").iterdir()) == [MARKER, "signing-key", "trusted-keys"]


def test_every_home_has_another_key(home, tmp_path):
    assert raw_of(home) != raw_of(tmp_path / "other")


def test_only_the_owner_may_read_the_key(home):
    """Whatever the umask is."""
    before = os.umask(0)
    try:
        signing_key(home, None)
    finally:
        os.umask(before)
    assert (home / SIGNING_KEY).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_concurrent_threads_and_processes_get_one_key(home, pool):
    # A process that is forked while threads run may hang.
    options = {"mp_context": multiprocessing.get_context("spawn")} if pool is ProcessPoolExecutor else {}
    with pool(4, **options) as racers:
        keys = set(racers.map(raw_of, [home] * RACERS))
    assert keys == {base64.b64decode((home / SIGNING_KEY).read_text())}
    assert [path.name for path in (home / "audit").glob(".*")] == [MARKER]
    assert [path.name for path in home.iterdir()] == ["audit"]


def test_a_key_that_another_process_created_meanwhile_is_used(home, monkeypatch):
    winner = make_text()
    (home / "audit").mkdir(parents=True)
    (home / SIGNING_KEY).write_text(winner)
    monkeypatch.setattr(type(home), "exists", lambda _path: False)
    assert raw_of(home) == base64.b64decode(winner)


def test_an_incomplete_temporary_key_is_ignored(home):
    (home / "audit").mkdir(parents=True)
    (home / "audit" / ".signing-key.0123").write_text("half")
    assert len(raw_of(home)) == 32


def test_a_given_key_is_used_and_not_stored(home):
    given_key = make_text()
    assert signing_key(home, f" {given_key}\n").private_bytes_raw() == base64.b64decode(given_key)
    assert not home.exists()


bad_keys = st.one_of(
    st.text("ABCabc012+/=", min_size=8, max_size=60),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    st.binary(min_size=6, max_size=60).map(lambda raw: base64.b64encode(raw).decode()),
)


def is_key(text):
    """Return whether a text is 43 characters of base64 and one `=`."""
    return len(text) == 44 and text.endswith("=") and text[:-1].replace("+", "a").replace("/", "a").isalnum()


@given(bad=bad_keys.filter(lambda text: not is_key(text)))
def test_an_invalid_key_is_not_in_the_message(bad):
    with pytest.raises(SettingsError) as caught:
        decode_key(bad, "AUDIT_SIGNING_KEY")
    remedy = "Make one with `openssl rand -base64 32`."
    assert str(caught.value) == f"AUDIT_SIGNING_KEY is not an Ed25519 key of 32 bytes in base64. {remedy}"
    assert caught.value.__context__ is None


def test_a_key_that_is_not_ascii_is_invalid():
    with pytest.raises(SettingsError, match="AUDIT_SIGNING_KEY"):
        decode_key("schlüssel", "AUDIT_SIGNING_KEY")


def test_a_damaged_key_file_is_named_and_not_replaced(home):
    (home / "audit").mkdir(parents=True)
    (home / SIGNING_KEY).write_text("hush-hush")
    with pytest.raises(SettingsError, match=f"{home / SIGNING_KEY} is not an Ed25519 key") as caught:
        signing_key(home, None)
    assert "hush" not in str(caught.value)
    assert (home / SIGNING_KEY).read_text() == "hush-hush"


def test_a_binary_key_file_is_named(home):
    (home / "audit").mkdir(parents=True)
    (home / SIGNING_KEY).write_bytes(bytes(range(224, 256)))
    with pytest.raises(SettingsError, match="is not an Ed25519 key"):
        signing_key(home, None)


def test_the_public_half_is_added_to_the_trusted_keys(home):
    """It is added once, beside the keys before it."""
    first = public_half(signing_key(home, None))
    signing_key(home, None)
    assert listed(home) == [first]
    (home / SIGNING_KEY).unlink()
    second = public_half(signing_key(home, None))
    assert listed(home) == trusted_keys(home, None, None) == [first, second]


def test_a_missing_last_line_break_does_not_join_keys(home):
    older = public_half(signing_key(home.with_name("other"), None))
    (home / "audit").mkdir(parents=True)
    (home / TRUSTED_KEYS).write_text(older)
    newer = public_half(signing_key(home, None))
    assert listed(home) == [older, newer]


def test_given_trusted_keys_replace_all_others(home):
    signing_key(home, None)
    one = make_text()
    other = make_text()
    assert trusted_keys(home, f"{one},{other}", make_text()) == trusted_keys(home, f"{one} \n{other}", None)
    assert trusted_keys(home, f"{one},{other}", None) == [one, other]


def test_a_given_signing_key_is_trusted_too(home):
    text = make_text()
    known = public_half(signing_key(home, None))
    ours = public_half(signing_key(home, text))
    assert trusted_keys(home, None, text) == [known, ours]


def test_without_any_key_none_is_trusted(home):
    """And nothing is created."""
    assert trusted_keys(home, None, None) == []
    assert not home.exists()


def test_an_invalid_trusted_key_is_named_by_its_source(home):
    with pytest.raises(SettingsError, match=r"^AUDIT_TRUSTED_KEYS is not an"):
        trusted_keys(home, f"{make_text()},AAAA", None)
    signing_key(home, None)
    with (home / TRUSTED_KEYS).open("a") as stream:
        stream.write("AAAA\n")
    with pytest.raises(SettingsError, match=f"^{home / TRUSTED_KEYS} is not an"):
        trusted_keys(home, None, None)
