"""Remove the secrets of the environment from texts.

Errors, audit rows, logs, previews and the quarantine use this module. `defs.resources.launch` decides which values a
launch may set.

A secret is

- the value of a variable with the name of a secret (`SECRET_NAME`, `PUBLIC_NAME`); access key ids are public,
- the password in a variable that holds a URL,
- a key that was read from a file (`learn`).

A secret is removed wherever it occurs in a text, also escaped or encoded (`_spellings`). Two kinds of secrets are only
removed where they are the whole text, since messages would be unreadable otherwise: secrets of fewer than `SHORTEST`
characters, and secrets that are part of a public value, such as a password `postgres` of a role `postgres`.
"""

import base64
import ipaddress
import json
import os
import re
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote

MARK = "[redacted]"
SHORTEST = 8
KEY_BYTES = 16
"""The fewest bytes of a decoded base64 secret that are removed as well."""
PASSWORD_NAME = re.compile(r"(?:PASSWORD|PASSWD|PASSPHRASE|(?:^|_)(?:SSH)?PASS|_PWD)(?:_|$)", re.IGNORECASE)
SECRET_NAME = re.compile(
    r"(?:^|_)(?:SECRETS?|TOKEN|CREDENTIALS?|API_?KEY|(?:SECRET|PRIVATE|SIGNING|ENCRYPTION|PSEUDONYM)_KEY)(?:_|$)"
    r"|(?<!ACCESS)(?<!PUBLIC)(?<!TRUSTED)_KEYS?(?:_\d+)?$",
    re.IGNORECASE,
)
PUBLIC_NAME = re.compile(
    r"_(?:FILE|PATH|DIR|NAME|HOST|PORT|COUNT|NAMESPACE|ID|ADDR|PROTO|URL|URI|SERVICE|PUBLIC_KEYS?)$", re.IGNORECASE
)
"""Names of variables that refer to a secret, or to a service with such a name, but have a public value."""
SERVICE_PREFIX = re.compile(r"^.*_SERVICE_", re.IGNORECASE)
"""The name of a service in a variable's name, such as that of `TOKEN_REVIEW_SERVICE_PORT_HTTPS` in Kubernetes."""
PUBLIC_VALUE = re.compile(r"\d{1,11}|(?:tcp|udp)://\S*")
USER_INFORMATION = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#\s]+)@")
"""The text up to the last `@` before the path: a password may contain the character."""
OUTSIDE_NAMES = frozenset({"error", "file"})
OUTSIDE_MAPPING = "columns"
PUBLIC_VARIABLES = {
    "PG_USER": "postgres",
    "PG_MIGRATION_USER": "",
    "PG_DATABASE": "mlops_db",
    "DAGSTER_PG_USER": "",
    "DAGSTER_PG_DATABASE": "dagster",
    "CYBERSEC_BUCKET_PREFIX": "cybersec-ml",
    "MINIO_REGION": "us-east-1",
}
"""Settings that are part of messages and names of objects, with their defaults."""
PUBLIC_WORDS = (
    "cybersec_assets",
    "network_events_silver",
    "network_events_rejected",
    "traffic_profile",
    "model_isoforest",
    "isolation_forest",
    "evaluation",
    "synthetic",
    "management",
    "continuation",
    "password authentication failed",
)
"""Words of the program's own messages, which may also be a password."""

_learned = set[str]()


class RedactedError(Exception):
    """An unexpected error whose text had a secret in it, with the secret removed."""


def learn(secret: str) -> None:
    """Add a secret that is not in the environment, such as a key that was read from a file."""
    _learned.add(secret.strip())


def known_secrets() -> frozenset[str]:
    """Return the secrets of the environment and those passed to `learn`, without empty ones."""
    found = set(_learned)
    for name, value in os.environ.items():
        if _is_secret(name, value):
            found |= {value, value.strip(), *value.splitlines()}
        elif "://" in value:
            for information in USER_INFORMATION.findall(value):
                user, _, password = information.partition(":")
                secret = password or user
                found |= {secret, unquote(secret)}
    return frozenset(found - {""})


def redact(text: str, secrets: Collection[str] | None = None) -> str:
    """Return a text in which `MARK` replaces each secret.

    Args:
        text: Any text.
        secrets: The secrets; `known_secrets()` if not given.
    """
    known = known_secrets() if secrets is None else frozenset(secrets)
    if text.strip() in known or text in known:
        return MARK
    return _without(known, text)


def redact_record(record: Any, key: str = "") -> Any:
    """Return a copy of an audit record, a JSON-like value, without secrets.

    A secret can only be in a text from outside:

    - below the keys `error` and `file`, texts pass through `redact`;
    - below the key `columns`, only secrets that are removed wherever they occur are removed, since a preset may have
      the name of a short password.

    Keys and all other values, such as URIs of artifacts, hashes and feature sets, are the program's own. They do not
    change, because a changed value would falsify the audit. Add the key of any new text from outside here.

    Args:
        record: The value.
        key: The key that the value has.
    """
    if isinstance(record, dict):
        return {name: redact_record(each, name) for name, each in record.items()}
    if isinstance(record, (list, tuple)):
        return [redact_record(each, key) for each in record]
    if not isinstance(record, str):
        return record
    if key in OUTSIDE_NAMES:
        return redact(record)
    return _without(known_secrets(), record) if key == OUTSIDE_MAPPING else record


def has_secret(text: str) -> bool:
    """Return whether a text is a secret or contains one."""
    return redact(text) != text


def contains_secret(content: bytes) -> bool:
    """Return whether the bytes of a file contain an unencoded secret; quicker than `has_secret`."""
    public = _public()
    return any(
        secret.encode("utf-8", "surrogateescape") in content for secret in known_secrets() if _is_strong(secret, public)
    )


def spellings_of(secrets: Collection[str]) -> list[str]:
    """Return the spellings of those secrets that are removed wherever they occur, longest first."""
    return list(_all_spellings(frozenset(secrets), _public()))


@contextmanager
def redacted_errors() -> Iterator[None]:
    """Replace an error whose traceback shows a secret.

    Raises:
        RedactedError: The body raised such an error. Its text has the type and the message without secrets.
    """
    try:
        yield
    except Exception as error:
        shown = "".join(traceback.format_exception(error))
        if not has_secret(shown):
            raise
        message = redact(f"{type(error).__name__}: {error}")
        raise RedactedError(message).with_traceback(error.__traceback__) from None


def _is_secret(name: str, value: str) -> bool:
    """Return whether a variable of this name holds a secret."""
    end = SERVICE_PREFIX.sub("", name)
    if PUBLIC_NAME.search(name):
        return False
    if PASSWORD_NAME.search(end):
        return True
    return bool(SECRET_NAME.search(end)) and not _is_public(value.strip())


def _is_public(value: str) -> bool:
    """Return whether a value is a short number, an address or a service's URL, as orchestrators set them."""
    if PUBLIC_VALUE.fullmatch(value):
        return True
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _without(secrets: frozenset[str], text: str) -> str:
    """Return a text in which `MARK` replaces the secrets that are removed wherever they occur."""
    pattern = _pattern(secrets, _public())
    return pattern.sub(MARK, text) if pattern else text


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
    key = decode_base64(secret)
    if len(key) >= KEY_BYTES:
        found |= _encoded(key)
    return {each for each in found if len(each) >= SHORTEST}


def _encoded(raw: bytes) -> set[str]:
    base64s = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return {each.rstrip("=") for each in base64s} | {raw.hex(), raw.hex().upper()}


def decode_base64(text: str) -> bytes:
    """Return the bytes that a base64 text encodes, or no bytes if the text is invalid."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _lower_percents(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)
