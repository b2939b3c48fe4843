"""Keep the secrets of the environment out of texts: one list of secrets, and one function that removes them.

Errors, audit rows, logs and the quarantine all pass their texts through `redact`. What belongs elsewhere: which
values a launch may set (`resources.launch`).

A secret is

- the value of a variable whose name says so (`SECRET_NAME`),
- the user information in a variable that holds a URL,
- a key that was read from a file (`learn`).

A secret is removed wherever it occurs in a text, as it is and in the spellings of `_spellings`. Two kinds of secrets
are only removed where they are the whole text, since removing each occurrence would make messages unreadable:
secrets of fewer than `SHORTEST` characters, and secrets that are part of a public value, such as a password
`postgres` of a role `postgres`.
"""

import base64
import binascii
import json
import os
import re
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "[redacted]"
SHORTEST = 8
KEY_BYTES = 16
"""From how many bytes on the content of a base64 secret is a secret by itself."""
SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRETS?|TOKEN|CREDENTIALS?|(?:ACCESS|API|SECRET|PRIVATE|SIGNING|PSEUDONYM)_KEY)"
    r"(?!.*_(?:FILE|PATH|DIR|NAME)$)(?:_|$)",
    re.IGNORECASE,
)
USER_INFORMATION = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#\s@]+)@")
PUBLIC_VARIABLES = {
    "PG_USER": "postgres",
    "PG_MIGRATION_USER": "",
    "PG_DATABASE": "mlops_db",
    "DAGSTER_PG_USER": "",
    "DAGSTER_PG_DATABASE": "dagster",
    "CYBERSEC_BUCKET_PREFIX": "cybersec-ml",
    "MINIO_REGION": "us-east-1",
}
"""Settings that people see in every message and every object's name, with their defaults."""
PUBLIC_WORDS = (
    "cybersec_assets",
    "network_events_silver",
    "network_events_rejected",
    "traffic_profile",
    "model_isoforest",
    "isolation_forest",
    "evaluation",
    "synthetic",
    "password authentication failed",
)
"""Words of the program's own that a secret may happen to be."""

_learned = set[str]()


class RedactedError(Exception):
    """An unforeseen error whose text had a secret in it, told without the secret."""


def learn(secret: str) -> None:
    """Add a secret that is not in the environment, such as a key that was read from a file."""
    _learned.add(secret.strip())


def known_secrets() -> frozenset[str]:
    """Return the secrets of the environment and those that were learned; none of them is empty."""
    found = set(_learned)
    for name, value in os.environ.items():
        if SECRET_NAME.search(name):
            found |= {value, value.strip(), *value.splitlines()}
        elif "://" in value:
            for information in USER_INFORMATION.findall(value):
                user, _, password = information.partition(":")
                found.add(password or user)
    return frozenset(found - {""})


def redact(text: str, secrets: Collection[str] | None = None) -> str:
    """Return a text without secrets; `MARK` stands in their place.

    Args:
        text: Any text.
        secrets: The secrets; `known_secrets()` if not given.
    """
    known = known_secrets() if secrets is None else frozenset(secrets)
    if text.strip() in known or text in known:
        return MARK
    pattern = _pattern(known, _public())
    return pattern.sub(MARK, text) if pattern else text


def redact_all(value: Any) -> Any:
    """Return a copy of a JSON-like value whose texts, keys included, have no secrets."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact_all(key): redact_all(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_all(each) for each in value]
    return value


def has_secret(text: str) -> bool:
    """Tell whether a text is a secret or has one in it."""
    return redact(text) != text


def contains_secret(content: bytes) -> bool:
    """Tell whether the bytes of a file have a secret in them, as it is; quicker than `has_secret`."""
    public = _public()
    return any(
        secret.encode("utf-8", "surrogateescape") in content for secret in known_secrets() if _is_strong(secret, public)
    )


def spellings_of(secrets: Collection[str]) -> list[str]:
    """Return every spelling of the secrets that are removed wherever they occur, the longest first."""
    return list(_all_spellings(frozenset(secrets), _public()))


@contextmanager
def redacted_errors() -> Iterator[None]:
    """Raise an error of the body as it is if it tells no secret, else one that tells the same without secrets."""
    try:
        yield
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        if redact(told) == told:
            raise
        message = redact(f"{type(error).__name__}: {error}")
        raise RedactedError(message).with_traceback(error.__traceback__) from None


def _public() -> str:
    return "\n".join([*PUBLIC_WORDS, *(os.environ.get(name) or value for name, value in PUBLIC_VARIABLES.items())])


@lru_cache(maxsize=16)
def _pattern(secrets: frozenset[str], public: str) -> re.Pattern[str] | None:
    spellings = _all_spellings(secrets, public)
    return re.compile("|".join(map(re.escape, spellings))) if spellings else None


@lru_cache(maxsize=16)
def _all_spellings(secrets: frozenset[str], public: str) -> tuple[str, ...]:
    found = {each for secret in secrets if _is_strong(secret, public) for each in _spellings(secret)}
    return tuple(sorted(found, key=len, reverse=True))


def _is_strong(secret: str, public: str) -> bool:
    return len(secret) >= SHORTEST and secret not in public


def _spellings(secret: str) -> set[str]:
    """Return the ways in which programs write a secret: escaped, percent-encoded, folded, base64, hexadecimal."""
    raw = secret.encode("utf-8", "surrogateescape")
    found = {secret, " ".join(secret.split()), repr(secret)[1:-1], repr(repr(secret))[2:-2]}
    found |= {repr(secret.replace("'", '"'))[1:-1], repr(raw)[2:-1]}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    found |= {json.dumps(json.dumps(secret))[3:-3]}
    encoded = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    found |= encoded | {_lower_percents(each) for each in encoded}
    found |= _encoded(raw)
    if key := _decoded(secret):
        found |= _encoded(key)
    return {each for each in found if len(each) >= SHORTEST}


def _encoded(raw: bytes) -> set[str]:
    base64s = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return {each.rstrip("=") for each in base64s} | {raw.hex(), raw.hex().upper()}


def _decoded(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return key if len(key) >= KEY_BYTES else b""


def _lower_percents(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)
