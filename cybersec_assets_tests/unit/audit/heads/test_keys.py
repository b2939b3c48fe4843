"""The key that signs is made once, belongs to its owner only, and is never told to anybody."""

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
    """Make a key's text, as `openssl rand -base64 32` does."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def raw_of(home):
    """Give the bytes of the key that signs for a home; processes are sent this function."""
    return signing_key(home, None).private_bytes_raw()


def listed(home):
    """Give the lines of the home's list."""
    return (home / TRUSTED_KEYS).read_text().splitlines()


@pytest.fixture
def home(tmp_path):
    """A home that is not there yet."""
    return tmp_path / "home"


def test_a_key_is_made_once(home):
    """The first to ask makes the key, everybody after gets the same, and nothing is left aside."""
    first = raw_of(home)
    assert raw_of(home) == first
    assert sorted(path.name for path in (home / "audit").iterdir()) == [MARKER, "signing-key", "trusted-keys"]


def test_no_two_homes_have_one_key(home, tmp_path):
    """A key is random, and not made of anything that two homes share."""
    assert raw_of(home) != raw_of(tmp_path / "other")


def test_only_the_owner_reads_the_key(home):
    """The file is its owner's alone, whatever the umask is."""
    before = os.umask(0)
    try:
        signing_key(home, None)
    finally:
        os.umask(before)
    assert (home / SIGNING_KEY).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_all_who_come_first_get_one_key(home, pool):
    """Threads and processes that find no key at once all sign with the same one, which is the one that is kept."""
    # A process that is forked while threads run may hang.
    options = {"mp_context": multiprocessing.get_context("spawn")} if pool is ProcessPoolExecutor else {}
    with pool(4, **options) as racers:
        keys = set(racers.map(raw_of, [home] * RACERS))
    assert keys == {base64.b64decode((home / SIGNING_KEY).read_text())}
    assert [path.name for path in (home / "audit").glob(".*")] == [MARKER]
    assert [path.name for path in home.iterdir()] == ["audit"]


def test_a_key_that_is_there_already_stays(home, monkeypatch):
    """Who loses the race, because the file came between the look and the making, takes the winner's key."""
    winner = make_text()
    (home / "audit").mkdir(parents=True)
    (home / SIGNING_KEY).write_text(winner)
    monkeypatch.setattr(type(home), "exists", lambda _path: False)
    assert raw_of(home) == base64.b64decode(winner)


def test_what_a_killed_maker_left_does_no_harm(home):
    """A half-written key that lies aside is no key."""
    (home / "audit").mkdir(parents=True)
    (home / "audit" / ".signing-key.0123").write_text("half")
    assert len(raw_of(home)) == 32


def test_a_given_key_signs_and_leaves_nothing(home):
    """AUDIT_SIGNING_KEY goes before the home's key, and is written nowhere."""
    given_key = make_text()
    assert signing_key(home, f" {given_key}\n").private_bytes_raw() == base64.b64decode(given_key)
    assert not home.exists()


bad_keys = st.one_of(
    st.text("ABCabc012+/=", min_size=8, max_size=60),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    st.binary(min_size=6, max_size=60).map(lambda raw: base64.b64encode(raw).decode()),
)


def is_key(text):
    """Tell by another way whether a text is a key: 32 bytes are 43 letters of the alphabet and one `=`."""
    return len(text) == 44 and text.endswith("=") and text[:-1].replace("+", "a").replace("/", "a").isalnum()


@given(bad=bad_keys.filter(lambda text: not is_key(text)))
def test_a_bad_key_is_named_and_never_told(bad):
    """The error has the variable's name and what to do, and is the same whatever was given."""
    with pytest.raises(SettingsError) as caught:
        decode_key(bad, "AUDIT_SIGNING_KEY")
    remedy = "Make one with `openssl rand -base64 32`."
    assert str(caught.value) == f"AUDIT_SIGNING_KEY is not an Ed25519 key of 32 bytes in base64. {remedy}"
    assert caught.value.__context__ is None


def test_a_key_that_is_not_even_ascii_is_named():
    """Letters that base64 does not know give the project's error like any other mistake."""
    with pytest.raises(SettingsError, match="AUDIT_SIGNING_KEY"):
        decode_key("schlüssel", "AUDIT_SIGNING_KEY")


def test_a_damaged_key_file_is_named_and_not_replaced(home):
    """A home's key that is none is named by its file, and stays for somebody to look at."""
    (home / "audit").mkdir(parents=True)
    (home / SIGNING_KEY).write_text("hush-hush")
    with pytest.raises(SettingsError, match=f"{home / SIGNING_KEY} is not an Ed25519 key") as caught:
        signing_key(home, None)
    assert "hush" not in str(caught.value)
    assert (home / SIGNING_KEY).read_text() == "hush-hush"


def test_a_key_file_of_bytes_is_named(home):
    """A key that was saved as its 32 bytes, without base64, is named by its file."""
    (home / "audit").mkdir(parents=True)
    (home / SIGNING_KEY).write_bytes(bytes(range(224, 256)))
    with pytest.raises(SettingsError, match="is not an Ed25519 key"):
        signing_key(home, None)


def test_the_public_half_is_trusted_from_then_on(home):
    """The home's list has the key's public half, once, beside those of the keys before it."""
    first = public_half(signing_key(home, None))
    signing_key(home, None)
    assert listed(home) == [first]
    (home / SIGNING_KEY).unlink()
    second = public_half(signing_key(home, None))
    assert listed(home) == trusted_keys(home, None, None) == [first, second]


def test_a_list_without_a_last_line_break_stays_a_list(home):
    """A key that a person added without a line break after it is not run together with the next."""
    older = public_half(signing_key(home.with_name("other"), None))
    (home / "audit").mkdir(parents=True)
    (home / TRUSTED_KEYS).write_text(older)
    newer = public_half(signing_key(home, None))
    assert listed(home) == [older, newer]


def test_given_keys_alone_are_trusted(home):
    """AUDIT_TRUSTED_KEYS, by commas or blanks, goes before the home's list and the signing key."""
    signing_key(home, None)
    one, other = make_text(), make_text()
    assert trusted_keys(home, f"{one},{other}", make_text()) == trusted_keys(home, f"{one} \n{other}", None)
    assert trusted_keys(home, f"{one},{other}", None) == [one, other]


def test_a_given_signing_key_is_trusted_too(home):
    """Without a list of its own a verifier trusts AUDIT_SIGNING_KEY's public half, beside the home's."""
    text = make_text()
    known, ours = public_half(signing_key(home, None)), public_half(signing_key(home, text))
    assert trusted_keys(home, None, text) == [known, ours]


def test_who_was_told_no_key_trusts_none(home):
    """A home without a list, and an environment without a key, give nobody to trust, and make nothing."""
    assert trusted_keys(home, None, None) == []
    assert not home.exists()


def test_a_bad_key_among_the_trusted_is_named(home):
    """One key that is none spoils the list, by the name of the variable or the file."""
    with pytest.raises(SettingsError, match=r"^AUDIT_TRUSTED_KEYS is not an"):
        trusted_keys(home, f"{make_text()},AAAA", None)
    signing_key(home, None)
    with (home / TRUSTED_KEYS).open("a") as stream:
        stream.write("AAAA\n")
    with pytest.raises(SettingsError, match=f"^{home / TRUSTED_KEYS} is not an"):
        trusted_keys(home, None, None)
