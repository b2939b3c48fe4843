"""Secrets of the environment are removed in every spelling, and short secrets do not make texts unreadable."""

import base64
import json
import logging
import traceback
import urllib.parse

import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from cybersec_assets.errors import InputError, first_line, quoted
from cybersec_assets.flows.line_counts import LineCounts
from cybersec_assets.operations.json_logging import JsonFormatter
from cybersec_assets.redaction import (
    MARK,
    RedactedError,
    contains_secret,
    known_secrets,
    learn,
    redact,
    redact_record,
    redacted_errors,
)

SECRET = "q4Vr hush+/'\"\\8s%Lw"
KEY = base64.b64encode(bytes(range(32))).decode()
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)
long_secrets = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=8, max_size=40).filter(
    lambda text: len(text.strip()) >= 8 and len(text.splitlines()) == 1
)


def spellings(secret):
    """Return the ways in which a test expects programs to write a secret."""
    raw = secret.encode()
    return {
        "as it is": secret,
        "repr": repr(secret)[1:-1],
        "repr of bytes": repr(raw)[2:-1],
        "JSON": json.dumps(secret)[1:-1],
        "JSON in UTF-8": json.dumps(secret, ensure_ascii=False)[1:-1],
        "percent-encoded": urllib.parse.quote(secret, safe=""),
        "a path": urllib.parse.quote(secret),
        "a form": urllib.parse.quote_plus(secret),
        "base64": base64.b64encode(raw).decode(),
        "hexadecimal": raw.hex(),
    }


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    """Set a password, a key and an empty secret."""
    monkeypatch.setenv("PG_PASSWORD", SECRET)
    monkeypatch.setenv("AUDIT_SIGNING_KEY", KEY)
    monkeypatch.setenv("MINIO_SECRET_KEY", "")


@pytest.mark.parametrize("spelling", list(spellings(SECRET)))
@pytest.mark.parametrize("secret", [SECRET, KEY])
def test_every_spelling_is_removed(secret, spelling):
    assert redact(f"a {spellings(secret)[spelling]} z") in {f"a {MARK} z", f"a {MARK}= z", f"a {MARK}== z"}


@tries(deadline=None)
@given(before=texts, secret=long_secrets, after=texts, spelling=st.sampled_from(list(spellings("x"))))
@example(before="", secret="00000000", after="0", spelling="as it is")
def test_no_text_keeps_a_secret(before, secret, after, spelling):
    """No spelling of any secret remains in any text."""
    written = spellings(secret)[spelling]
    assume(secret not in MARK)
    assert written not in redact(f"{before} {written} {after}", {secret})


@tries(deadline=None)
@given(text=texts)
def test_a_text_does_not_change_without_secrets(text):
    assert redact(text, ()) == text


@pytest.mark.parametrize("secret", ["a", "", "minio", "1234567", " "])
def test_a_short_secret_is_not_removed_from_texts(secret):
    """A secret of fewer than 8 characters is only removed if it is the whole text."""
    text = "a minio server at 1234567 refused"
    assert redact(text, {secret} - {""}) == text
    if secret.strip():
        assert redact(secret, {secret}) == MARK


@pytest.mark.parametrize("secret", ["postgres", "mlops_db", "cybersec", "network_events", "us-east-1"])
def test_a_public_secret_is_not_removed_from_texts(secret):
    """A password that is also a role, a database or part of an object's name is only removed as a whole text."""
    text = f"s3://cybersec-ml-raw/network_events_1.parquet of postgres in mlops_db, us-east-1: {secret}"
    assert redact(text, {secret}) == text
    assert redact(secret, {secret}) == MARK


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("FLOWS_S3_SECRET_KEY", "value-value", {"value-value"}),
        ("FLOWS_PSEUDONYM_KEY", "value-value", {"value-value"}),
        ("PG_MIGRATION_PASSWORD", "value-value", {"value-value"}),
        ("DAGSTER_PG_PASSWORD", "value-value", {"value-value"}),
        ("AWS_SECRET_ACCESS_KEY", "value-value", {"value-value"}),
        ("AWS_SESSION_TOKEN", "value-value", {"value-value"}),
        ("VAULT_TOKEN", " two\nlines ", {" two\nlines ", "two\nlines", " two", "lines "}),
        ("https_proxy", "http://me:pass-word@proxy:3128/", {"pass-word"}),
        ("MINIO_ENDPOINT", "https://minio:9000", set()),
        ("AUDIT_TRUSTED_KEYS", "public", set()),
        ("PG_PASSWORD_FILE", "/run/secrets/pg", set()),
        ("TOKENIZERS_PARALLELISM", "false", set()),
        ("CYBERSEC_HOME", "/data", set()),
    ],
    # pytest puts the name of a test into the environment, where a URL would be found as well.
    ids=[f"case {number}" for number in range(13)],
)
def test_secrets_are_recognized_by_the_name_or_a_url(monkeypatch, name, value, found):
    monkeypatch.delenv("PG_PASSWORD")
    monkeypatch.delenv("AUDIT_SIGNING_KEY")
    before = known_secrets()
    monkeypatch.setenv(name, value)
    assert known_secrets() - before == found


@pytest.mark.parametrize(
    "name",
    [
        "PGPASSWORD",
        "DB_PASS",
        "SSHPASS",
        "MYSQL_PWD",
        "ENCRYPTION_KEY",
        "DJANGO_SECRET_KEY",
        "MINIO_SECRET_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "STRIPE_KEY",
        "FERNET_KEYS",
        "SIGNING_KEY_2",
        "AUTH_SERVICE_TOKEN",
        "AUTH_SERVICE_PASSWORD",
    ],
)
def test_common_names_of_secrets(monkeypatch, name):
    monkeypatch.setenv(name, "some-value")
    assert "some-value" in known_secrets()


@pytest.mark.parametrize(
    "name",
    [
        "PWD",
        "OLDPWD",
        "MINIO_ACCESS_KEY",
        "FLOWS_S3_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "KMS_KEY_ID",
        "SSH_PUBLIC_KEY",
        "AUDIT_TRUSTED_KEYS",
        "TLS_KEY_FILE",
        "TLS_KEY_PATH",
        "PGPASSFILE",
        "TOKEN_REVIEW_SERVICE_HOST",
        "TOKEN_REVIEW_SERVICE_PORT_HTTPS",
        "SECRET_NAMESPACE",
        "TOKEN_COUNT",
        "TOKEN_URL",
        "MY_TOKEN_SERVICE",
        "TOKEN_PORT_443_TCP_PROTO",
        "TOKEN_PORT_443_TCP_ADDR",
        "BYPASS_LIST",
        "MONKEY",
    ],
)
def test_common_names_of_public_values(monkeypatch, name):
    before = known_secrets()
    monkeypatch.setenv(name, "some-value")
    assert known_secrets() == before


@pytest.mark.parametrize(
    "value", ["10.96.12.34", "fd00::12:34", "1", "12345678901", "tcp://10.96.12.34:443", "udp://dns:53"]
)
def test_addresses_and_numbers_are_not_tokens(monkeypatch, value):
    """Orchestrators set variables such as `TOKEN_REVIEW_PORT_443_TCP` to addresses; a password may be a number."""
    monkeypatch.delenv("PG_PASSWORD")
    before = known_secrets()
    monkeypatch.setenv("TOKEN_REVIEW_PORT_443_TCP", value)
    monkeypatch.setenv("TOKEN_LIMIT", value)
    assert known_secrets() == before
    monkeypatch.setenv("PG_PASSWORD", value)
    assert known_secrets() - before == {value}


@pytest.mark.parametrize(
    ("information", "secrets"),
    [
        ("u:p@sswordlong", {"p@sswordlong"}),
        ("u:p%40sswordlong", {"p%40sswordlong", "p@sswordlong"}),
        ("token-token", {"token-token"}),
    ],
    ids=["at", "encoded", "token"],
)
def test_the_password_of_a_url_ends_at_the_last_at(monkeypatch, information, secrets):
    """A password may contain `@`; programs show it encoded and decoded."""
    before = known_secrets()
    monkeypatch.setenv("ANY_URL", f"postgresql://{information}@host/db?options=a@b")
    assert known_secrets() - before == secrets
    assert "sswordlong" not in redact(f"cannot connect to postgresql://{information}@host/db")


def test_two_urls_have_two_passwords(monkeypatch):
    """A list of URLs is not parsed as one URL."""
    before = known_secrets()
    monkeypatch.setenv("BROKERS", "amqp://a:first-pass@h1,amqp://b:second-pass@h2")
    assert known_secrets() - before == {"first-pass", "second-pass"}


def test_a_learned_key_is_removed_in_base64_and_hexadecimal():
    key = base64.b64encode(bytes(range(40, 72))).decode()
    learn(key + "\n")
    assert redact(f"key {key}, {bytes(range(40, 72)).hex()}") == f"key {MARK}, {MARK}"


def test_errors_have_no_secrets():
    """Secrets are removed before a value is cut."""
    long = "x" * 70 + SECRET + "y" * 100
    assert SECRET not in str(InputError(f"it is {SECRET}", f"Look at {SECRET}"))
    assert "hush" not in quoted(long)
    assert "hush" not in str(InputError("z" * 475 + SECRET, "Mend it"))
    assert first_line(ValueError(f"bad {SECRET}")) == f"bad {MARK}"


def test_texts_from_outside_lose_their_secrets():
    """Secrets are removed from errors, file names and mappings at any depth."""
    outside = f"x{SECRET}"
    record = {"error": outside, "inputs": ({"file": outside, "columns": outside, "size": 1, "no": None},)}
    clean = f"x{MARK}"
    expected = {"error": clean, "inputs": [{"file": clean, "columns": clean, "size": 1, "no": None}]}
    assert redact_record(record) == expected


@pytest.mark.parametrize("password", ["basic", "extended", "zeek", "s3://b/raw.parquet", "uri", "error", "file"])
def test_a_password_does_not_change_values_of_the_audit(monkeypatch, password):
    """Keys, hashes, URIs, feature sets and names of presets are recorded unchanged."""
    monkeypatch.setenv("PG_PASSWORD", password)
    record = {
        "parametros": '{"feature_set": "basic"}',
        "feature_set": "basic",
        "other_set": "extended",
        "uri": "s3://b/raw.parquet",
        "inputs": [{"file": "/logs/zeek.log", "columns": "zeek", "uri": "s3://b/raw.parquet"}],
    }
    assert redact_record(record) == record


def test_a_short_password_as_a_whole_value_is_removed(monkeypatch):
    """A short secret is removed if it is the whole text of an error or the whole name of a file."""
    monkeypatch.setenv("PG_PASSWORD", "abc")
    assert redact_record({"error": "abc", "file": "abc", "columns": "abc"}) == {
        "error": MARK,
        "file": MARK,
        "columns": "abc",
    }


@pytest.mark.parametrize(("error", "shown"), [(f"bad {SECRET}", f"bad {MARK}"), ("bad", "bad")])
def test_an_unexpected_error_is_replaced_without_secrets(error, shown):
    """The message keeps type and text. The traceback does not show the original error or its cause."""

    def fail():
        raise ValueError(error) from KeyError(SECRET)

    with pytest.raises(RedactedError) as caught, redacted_errors():
        fail()
    assert str(caught.value) == f"ValueError: {shown}"
    trace = "".join(traceback.format_exception(caught.value))
    assert ("hush" in trace, "in fail" in trace) == (False, True)


def test_an_unexpected_error_without_secrets_is_not_replaced():
    error = ValueError("bad")
    with pytest.raises(ValueError, match="bad") as caught, redacted_errors():
        raise error
    assert caught.value is error


def test_json_logs_have_no_secrets():
    """Neither the message nor the exception of a JSON line has a secret."""
    error = ValueError(SECRET)
    record = logging.LogRecord("x", logging.ERROR, "", 1, "it is %s", (SECRET,), (ValueError, error, None))
    line = JsonFormatter().format(record)
    assert "hush" not in line
    assert json.loads(line)["message"] == f"it is {MARK}"


def test_a_secret_is_found_in_undecoded_bytes():
    assert contains_secret(b"\xff PG=" + SECRET.encode())
    assert not contains_secret(b"\xff PG=hush")


@pytest.mark.parametrize("secret", ["hushHushHush", "h" * 44])
def test_an_event_with_the_name_of_a_secret_is_counted_as_other(monkeypatch, secret):
    """Event names are keys in the audit, so none may be a secret or the beginning of one."""
    monkeypatch.setenv("PG_PASSWORD", secret)
    line_counts = LineCounts()
    rows = pl.LazyFrame({"event": [secret, f"x{secret}", "dns", "management"]})
    line_counts.skip(rows, pl.col("event")).collect()
    assert line_counts.names() == {"other": 2, "dns": 1, "management": 1}
